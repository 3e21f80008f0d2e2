// The nine messages of `debug ip inspect smtp`, as IOS prints them, blanks and commas included.

export const SHAPE_REPLY_TYPE = 0;
export const SHAPE_REPLY = 1;
export const SHAPE_REPLY_MATCH = 2;
export const SHAPE_REPLY_END = 3;
export const SHAPE_VERB = 4;
export const SHAPE_VERB_MATCH = 5;
export const SHAPE_PARAMETER = 6;
export const SHAPE_PARAMETER_MATCH = 7;
export const SHAPE_COMMAND_END = 8;

/** Text of a shape; unused values are ignored.  An unknown shape gives an empty text. */
export function debugText(shape: number, a: number, b: number, c: number): string {
  switch (shape) {
    case SHAPE_REPLY_TYPE:
      return 'CBAC SMTP: reply_type OTHERS';
    case SHAPE_REPLY:
      return `CBAC SMTP: OTHER REPLY - Reply len: ${a}, match_len:${b}, reply_re_state:${c}`;
    case SHAPE_REPLY_MATCH:
      return `CBAC SMTP: OTHER REPLY match id:${a}`;
    case SHAPE_REPLY_END:
      return `CBAC SMTP: End Of Reply Line - index:${a} ,len:${b}`;
    case SHAPE_VERB:
      return `CBAC SMTP: VERB - Cmd len:${a}, match_len:${b}, cmd_re_state:${c}`;
    case SHAPE_VERB_MATCH:
      return `CBAC SMTP: VERB - match id:${a}`;
    case SHAPE_PARAMETER:
      return `CBAC SMTP: CMD PARAM - Cmd len:${a}, match_len:${b}, cmd_re_state:${c}`;
    case SHAPE_PARAMETER_MATCH:
      return `CBAC SMTP: CMD PARAM - match id:${a}`;
    case SHAPE_COMMAND_END:
      return `CBAC SMTP: End Of Command Line - index:${a}, len:${b}`;
    default:
      return '';
  }
}
