// Compiled against the packed types, strictly and with library checks on; never run.
import { loadModel, type Model, RivuletError, type Stream } from 'rivulet';
import { generate, Vocabulary } from 'rivulet/text';

export async function use(source: string): Promise<Float32Array> {
  const model: Model = await loadModel(source, { kernels: 'auto', nonFinite: 'reject' });
  const stream: Stream = model.createStream();
  const y: Float32Array = stream.step(new Float32Array(3));
  const { output } = stream.step({ input: y, sr: 16000 });
  const saved: Uint8Array = stream.save();
  stream.restore(saved);
  for await (const piece of generate(stream, Vocabulary.of(model), { seed: 1 })) console.log(piece);
  if (output === undefined) throw new RivuletError('INVALID_INPUT', 'no output');
  return model.stepMany([stream, stream.clone()], [1, 2]);
}
