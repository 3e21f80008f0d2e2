// The last step of the bundle: the path becomes a closure over its one data plane, the streams over their one state.
//
// In the source every function of the path takes the data plane as its first parameter, `p`.  V8 cannot know that there is one of it, so
// each access to a column loads frames, column, length and address anew.  Here the functions that `attach(p)` reaches are copied into
// it, without the parameter (lambda dropping): `p` is then a constant of a closure that is made once, and V8 folds everything below it
// that is assigned once, down to the address of a column.  A second attach() in the same process makes V8 give that up; results never change.
// `min` in ns a frame, before and after: path/udp64 169 -> 127, tcp-bulk 164 -> 121, smtp-chat 386 -> 328, smtp-mail 672 -> 630,
// syn-flood 992 -> 750.  The streams: smtp-chat 329 -> 296, smtp-mail 612 -> 573.  The SMTP scanner: a short dialogue 182 -> 151 ns a segment.
//
// What it wants of the source, and fails without: such a function is called by its name as `name(p, ...)`, is never handed on as a
// value, and nothing else in it is called `p`.

import { StepError } from './steps.mjs';

/** The functions that are tied to one object, and what they call it. */
const ENTRIES = [
  ['attach', 'p'],
  ['attachStreams', 's'],
  ['attachScanner', 'turn'],
];

/** The functions at the top of the module whose first parameter is called `parameter`, by name. */
function functionsOf(program, parameter) {
  const found = new Map();
  for (const node of program.body) {
    if (node.type === 'FunctionDeclaration' && node.params[0]?.type === 'Identifier' && node.params[0].name === parameter)
      found.set(node.id.name, node);
  }
  return found;
}

/** Calls `see(node, parent)` for a node and all below it. */
function walk(node, parent, see) {
  see(node, parent);
  for (const [key, value] of Object.entries(node)) {
    if (key === 'parent' || value === null || typeof value !== 'object') continue;
    for (const child of Array.isArray(value) ? value : [value]) if (typeof child?.type === 'string') walk(child, node, see);
  }
}

function isCalled(node, name) {
  return node?.type === 'Identifier' && node.name === name;
}

/** True for `a.name`, `{ name: ... }` and the like, which refer to no variable. */
function isLabel(node, parent) {
  if (parent.type === 'MemberExpression') return parent.property === node && !parent.computed;
  return (parent.type === 'Property' || parent.type === 'MethodDefinition') && parent.key === node && !parent.computed && !parent.shorthand;
}

/** Names that the function binds itself: parameters and variables, its own and those of functions in it. */
function boundIn(node) {
  const bound = new Set();
  const bind = (pattern) => walk(pattern, node, (at) => at.type === 'Identifier' && bound.add(at.name));
  walk(node, null, (at) => {
    if (at !== node && /Function/.test(at.type)) at.params.forEach(bind);
    if (at.type === 'VariableDeclarator') bind(at.id);
  });
  node.params.slice(1).forEach(bind);
  return bound;
}

function refuse(name, what) {
  throw new StepError(`specialise: ${name} ${what}`);
}

/** What `name` refers to among `functions`, and the stretches of text that hold the parameter. */
function examine(name, functions, parameter) {
  const node = functions.get(name);
  const drops = [stretch(node.params)];
  const callees = new Set();
  const bound = boundIn(node);
  if (bound.has(parameter)) refuse(name, `has another ${parameter}`);
  walk(node, null, (at, parent) => {
    if (at.type !== 'Identifier' || at === node.id || !functions.has(at.name) || isLabel(at, parent)) return;
    const isCall = parent.type === 'CallExpression' && parent.callee === at && isCalled(parent.arguments[0], parameter);
    if (isCall && bound.has(at.name)) refuse(name, `calls ${at.name} and has a variable of that name`);
    if (bound.has(at.name)) return;
    if (!isCall) refuse(name, `refers to ${at.name} otherwise than by ${at.name}(${parameter}, ...)`);
    callees.add(at.name);
    drops.push(stretch(parent.arguments));
  });
  return { callees, drops };
}

/** The first of a list with its comma. */
function stretch([first, second]) {
  return [first.start, second === undefined ? first.end : second.start];
}

/** Text of `node` without the stretches. */
function textWithout(code, node, drops) {
  let text = '';
  let at = node.start;
  for (const [from, to] of drops.sort((a, b) => a[0] - b[0])) {
    text += code.slice(at, from);
    at = to;
  }
  return text + code.slice(at, node.end);
}

/** The text of the chunk with its path specialised; `parse` makes the ESTree of a module.  Throws a StepError. */
export function specialise(code, parse, entries = ENTRIES) {
  return entries.reduce((text, [entry, parameter]) => specialiseOne(text, parse(text), entry, parameter), code);
}

function specialiseOne(code, program, wantedName, parameter) {
  const functions = functionsOf(program, parameter);
  // The bundler may have put a number behind the name.
  const entry = [...functions.keys()].find((name) => name.replace(/\$\d+$/, '') === wantedName);
  if (entry === undefined) refuse('the data plane', `has no ${wantedName}(${parameter})`);
  const texts = new Map();
  const wanted = [entry];
  for (const name of wanted) {
    if (texts.has(name)) continue;
    const { callees, drops } = examine(name, functions, parameter);
    texts.set(name, name === entry ? bodyOf(code, functions.get(name), drops) : textWithout(code, functions.get(name), drops));
    wanted.push(...callees);
  }
  return place(code, program, functions.get(entry), parameter, texts);
}

/** The statements of the entry, without its braces. */
function bodyOf(code, node, drops) {
  const { start, end } = node.body;
  return textWithout(code, { start: start + 1, end: end - 1 }, drops.slice(1));
}

/** Lines keep their numbers up to the new entry, which stands in front of the exports. */
function place(code, program, entry, parameter, texts) {
  const { name } = entry.id;
  const exports = program.body.findLast((node) => node.type === 'ExportNamedDeclaration');
  const body = texts.get(name);
  texts.delete(name);
  const gap = code.slice(entry.start, entry.end).replace(/[^\n]/g, '');
  const attach = `function ${name}(one) {\nconst ${parameter} = one;\n${[...texts.values()].join('\n')}\n${body}\n}\n`;
  return code.slice(0, entry.start) + gap + code.slice(entry.end, exports.start) + attach + code.slice(exports.start);
}
