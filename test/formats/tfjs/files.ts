import { kerasFile } from '../keras/files.js';

/** The shards of a TensorFlow.js model of the fixtures, by the names that its `model.json` calls them. */
export function shardsOf(name: string): Record<string, Uint8Array> {
  const json = JSON.parse(new TextDecoder().decode(kerasFile(`${name}/model.json`)));
  const paths: string[] = json.weightsManifest[0].paths;
  return Object.fromEntries(paths.map((path) => [path, kerasFile(`${name}/${path}`)]));
}
