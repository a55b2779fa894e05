/// <reference lib="esnext.disposable" preserve="true" />
/**
 * Pipelines: one description of source, stages and sink, which runs on workers where memory is shared, and in the caller's thread
 * where it is not.
 *
 * @module skbuff/pipeline
 */

export { PipelineError } from "./errors.js";
export { Pipeline, type PipelineStats } from "./pipeline.js";
export type {
  MakeStage,
  ModuleAddress,
  PacketInput,
  PacketOutput,
  PartModule,
  PipelineOptions,
  PipelinePartOptions,
  PipelineSink,
  PipelineSource,
  StageContext,
  StageFunction,
  StageObject,
} from "./plan.js";
export { stage } from "./stage.js";
