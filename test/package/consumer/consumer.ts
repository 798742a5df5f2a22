// Compiled against the packed types, strictly and with library checks on; never run.
import { loadModel, type Model, RivuletError, type Stream } from 'rivulet';
import { type Graph, readGraph, verifyModel, withWeights, writeNative } from 'rivulet/convert';
import { Forecaster, Scaler, sequenceBatches } from 'rivulet/sequences';
import { generate, Vocabulary } from 'rivulet/text';

export async function use(source: string): Promise<Float32Array> {
  const model: Model = await loadModel(source, { kernels: 'auto', nonFinite: 'reject' });
  const stream: Stream = model.createStream();
  const y: Float32Array = stream.step(new Float32Array(3));
  const { output } = stream.step({ input: y, sr: 16000 });
  const saved: Uint8Array = stream.save();
  stream.restore(saved);
  for await (const piece of generate(stream, Vocabulary.of(model), { seed: 1 })) console.log(piece);
  const scaler: Scaler | undefined = Scaler.of(model);
  const forecast: Float64Array = new Forecaster(stream).push([1, 2]);
  for (const { inputs, steps } of sequenceBatches(forecast, { batchSize: 1, sequenceLength: 2 })) {
    model.runMany([stream], scaler?.transform(inputs) ?? inputs, steps);
  }
  if (output === undefined) throw new RivuletError('INVALID_INPUT', 'no output');
  return model.stepMany([stream, stream.clone()], [1, 2]);
}

export async function convert(source: string): Promise<Uint8Array> {
  const { graph, format }: { graph: Graph; format: string } = await readGraph(source, {
    architecture: { stateDict: 'model' },
  });
  const bytes: Uint8Array = writeNative(withWeights(graph, 'float16'));
  const { difference } = verifyModel(await loadModel(bytes), graph, { seed: 2 });
  if (difference > 0.01) throw new RivuletError('INVALID_FILE', format);
  return bytes;
}
