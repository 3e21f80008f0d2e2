// Plots as SVG: horizontal bars, and lines over two logarithmic axes.  Text only, no library, readable on white and on black.

export interface Bar {
  readonly label: string;
  readonly value: number;
}

export interface Series {
  readonly label: string;
  /** Ascending x, all above 0. */
  readonly points: readonly (readonly [x: number, y: number])[];
}

const FONT = 'font-family="sans-serif" font-size="12"';
const TEXT = '#777';
const GRID = '#8884';
const COLOURS = ['#3b76c4', '#c4603b', '#4a9a5b', '#8a5bb0'];
const WIDTH = 720;
const HEIGHT = 380;
const LEFT = 140;
const RIGHT = 70;
const TOP = 40;
const BOTTOM = 50;
const ROW = 20;

/** One bar a row, longest value over the whole width. */
export function barChart(title: string, bars: readonly Bar[]): string {
  const longest = Math.max(...bars.map(({ value }) => value));
  const scale = (WIDTH - LEFT - RIGHT) / longest;
  const rows = bars.map(({ label, value }, i) => {
    const y = TOP + i * ROW;
    const width = Math.max(1, value * scale).toFixed(1);
    return (
      text(LEFT - 8, y + 14, label, 'end') +
      `<rect x="${LEFT}" y="${y + 3}" width="${width}" height="${ROW - 6}" fill="${COLOURS[0]}"/>` +
      text(LEFT + Number(width) + 6, y + 14, value < 10 ? value.toFixed(1) : value.toFixed(0), 'start')
    );
  });
  return picture(TOP + bars.length * ROW + 12, text(WIDTH / 2, 22, title, 'middle') + rows.join('\n'));
}

/** Powers of ten along x and y. */
export function lineChart(title: string, xLabel: string, yLabel: string, series: readonly Series[]): string {
  const points = series.flatMap((one) => one.points);
  const x = axis(
    points.map(([value]) => value),
    LEFT / 2,
    WIDTH - RIGHT * 2,
  );
  const y = axis(
    points.map(([, value]) => value),
    HEIGHT - BOTTOM,
    TOP,
  );
  const parts = [
    text(WIDTH / 2, 22, title, 'middle'),
    text((LEFT / 2 + WIDTH - RIGHT * 2) / 2, HEIGHT - 10, xLabel, 'middle'),
    text(8, TOP - 8, yLabel, 'start'),
    ...x.ticks.map(
      (value) => line(x.at(value), TOP, x.at(value), HEIGHT - BOTTOM) + text(x.at(value), HEIGHT - BOTTOM + 18, short(value), 'middle'),
    ),
    ...y.ticks.map(
      (value) => line(LEFT / 2, y.at(value), WIDTH - RIGHT * 2, y.at(value)) + text(LEFT / 2 - 6, y.at(value) + 4, short(value), 'end'),
    ),
    ...series.map((one, i) => curve(one, COLOURS[i % COLOURS.length]!, x.at, y.at)),
  ];
  return picture(HEIGHT, parts.join('\n'));
}

interface Axis {
  readonly ticks: readonly number[];
  at(value: number): number;
}

function axis(values: readonly number[], from: number, to: number): Axis {
  const low = Math.floor(Math.log10(Math.min(...values)));
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...values))));
  return {
    ticks: Array.from({ length: high - low + 1 }, (_, i) => 10 ** (low + i)),
    at: (value) => from + ((Math.log10(value) - low) / (high - low)) * (to - from),
  };
}

function curve({ label, points }: Series, colour: string, x: (value: number) => number, y: (value: number) => number): string {
  const places = points.map(([a, b]) => `${x(a).toFixed(1)},${y(b).toFixed(1)}`);
  const dots = places.map((place) => `<circle cx="${place.split(',')[0]}" cy="${place.split(',')[1]}" r="3" fill="${colour}"/>`);
  const [lastX, lastY] = points.at(-1) ?? [1, 1];
  return (
    `<polyline points="${places.join(' ')}" fill="none" stroke="${colour}" stroke-width="2"/>` +
    dots.join('') +
    text(x(lastX) + 8, y(lastY) + 4, label, 'start', colour)
  );
}

function line(x1: number, y1: number, x2: number, y2: number): string {
  return `<line x1="${x1.toFixed(1)}" y1="${y1.toFixed(1)}" x2="${x2.toFixed(1)}" y2="${y2.toFixed(1)}" stroke="${GRID}"/>`;
}

function text(x: number, y: number, content: string, anchor: string, colour = TEXT): string {
  const safe = content.replace(/&/g, '&amp;').replace(/</g, '&lt;');
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}" fill="${colour}" ${FONT}>${safe}</text>`;
}

function short(value: number): string {
  if (value >= 1_000_000) return `${value / 1_000_000} M`;
  return value >= 1_000 ? `${value / 1_000} k` : String(value);
}

function picture(height: number, content: string): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}">\n${content}\n</svg>\n`;
}
