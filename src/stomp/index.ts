/**
 * The STOMP 1.2 codec, for the server in src/rpc and for the client towards other hosts: frames,
 * parser, serializer, heart-beats. Bytes and times in, frames and bytes out; it knows neither
 * sockets nor clocks, nor what a message says.
 */

export {
  commands,
  EVENT_QUEUE,
  type Frame,
  hears,
  heartBeatBytes,
  requestQueues,
  RESPONSE_QUEUE,
  STOMP_VERSION,
} from "./frame.ts";
export {
  answerHeartBeat,
  formatHeartBeat,
  type HeartBeat,
  HeartBeats,
  parseHeartBeat,
} from "./heart-beat.ts";
export {
  type AskLarge,
  type Coming,
  type FrameLimits,
  FrameParser,
  type LargeAnswer,
  type Parsed,
  tooLong,
} from "./parser.ts";
export { type FrameToSend, serializeFrame } from "./serializer.ts";
