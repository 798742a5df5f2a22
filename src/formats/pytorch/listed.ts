import { type ErrorDetails, RivuletError } from '../../errors.js';
import type { Tensor } from '../../graph/graph.js';
import type { Layer, Step } from '../chain/layers.js';
import type { OnRefusal } from '../refusals.js';
import { ACTIVATIONS, type Architecture, type ArchitectureLayer, isActivation } from './architecture.js';
import { type Role, rolesOf } from './chain.js';
import { findLayers } from './layers.js';
import { DEFAULT_EPS, describe, normalisation, stepOf, weightOf } from './steps.js';

/**
 * The steps that an architecture lists, each with its weights.
 * @throws RivuletError `INVALID_FILE` where a layer has no such weights, sizes do not follow each other, or weights are
 *   left over; `UNSUPPORTED_OPERATOR`; and as `findLayers` does.
 */
export function stepsOf(
  architecture: Architecture & { layers: ArchitectureLayer[] },
  tensors: ReadonlyMap<string, Tensor>,
  file: string | undefined,
  onRefusal?: OnRefusal,
): Step[] {
  const reader = new StepReader(findLayers(tensors, architecture.ignore, file, onRefusal), file);
  const steps = reader.read(architecture.layers, 'architecture.layers');
  reader.end();
  return steps;
}

type ListedLayer<Type extends string> = Extract<ArchitectureLayer, { type: Type }>;

class StepReader {
  private readonly open: Set<Layer>;
  /** What the first layer is given. */
  private given: Role['inputs'] | undefined;
  /** Numbers that the layer before gives. */
  private width: number | undefined;
  /** The cell whose state alone goes on: the steps have ended. */
  private ended: string | undefined;

  constructor(
    private readonly layers: readonly Layer[],
    private readonly file: string | undefined,
  ) {
    this.open = new Set(layers);
  }

  read(listed: readonly ArchitectureLayer[], path: string): Step[] {
    return listed.map((wanted, at) => this.step(wanted, `${path}[${at}]`));
  }

  /** Refuses weights that no layer has read. */
  end(): void {
    const [unread] = this.open;
    if (!unread) return;
    const hint = `List it, or ignore it: "ignore": [${JSON.stringify(unread.prefix)}]`;
    throw fail('The architecture leaves out a layer', { tensor: weightOf(unread).name, hint }, this.file);
  }

  private step(wanted: ArchitectureLayer, where: string): Step {
    if (isActivation(wanted)) {
      if (this.given !== undefined) return { op: 'activation', name: ACTIVATIONS[wanted.type] };
      const details = { found: wanted.type, expected: 'a layer with weights' };
      throw fail('An activation comes first', details, this.file);
    }
    if (wanted.type === 'Skip') return this.skip(wanted);
    if (wanted.type === 'Residual') return this.residual(wanted, where);
    return this.weighted(wanted, where);
  }

  private skip(wanted: ListedLayer<'Skip'>): Step {
    const { given, width, ended, file } = this;
    const inputs = wanted.inputs ?? given;
    if (typeof inputs === 'number' && inputs === width && inputs <= Number(given) && ended === undefined) {
      return { op: 'skip', inputs };
    }
    const expected = `${width} numbers, as the layer before gives, of those that the first is given`;
    throw fail('A skip does not fit', { expected, found: ended === undefined ? `${inputs}` : 'a state' }, file);
  }

  private residual(wanted: ListedLayer<'Residual'>, where: string): Step {
    const { width: before, ended } = this;
    const steps = this.read(wanted.layers, `${where}.layers`);
    const inputs = before ?? this.given;
    const outputs = this.width;
    this.width = typeof inputs === 'number' ? inputs : undefined;
    const shortcut = this.read(wanted.shortcut ?? [], `${where}.shortcut`);
    if (this.width === outputs && this.ended === ended) return { op: 'residual', steps, shortcut };
    throw fail(
      'A residual does not fit',
      {
        expected: `${outputs} numbers of each step, as its layers give`,
        found: this.ended === ended ? `${this.width ?? 'tokens'}` : 'a state',
        hint: `What brings the one to the other stands in ${where}.shortcut`,
      },
      this.file,
    );
  }

  private weighted(wanted: Exclude<ArchitectureLayer, ListedLayer<'Skip' | 'Residual'>>, where: string): Step {
    const { file } = this;
    const role = choose(wanted, where, this.layers, this.open, file);
    this.open.delete(role.layer);
    if (wanted.type === 'Conv1d' && typeof role.inputs === 'number') role.inputs *= wanted.groups ?? 1;
    const tensor = weightOf(role.layer).name;
    // One slope is that of all numbers, however many there are.
    const isShared = wanted.type === 'PReLU' && role.outputs === 1 && this.width !== undefined;
    if (isShared) role.inputs = role.outputs = this.width!;
    const isFirst = this.given === undefined;
    this.given ??= role.inputs;
    if (role.inputs === 'tokens' ? !isFirst : this.width !== undefined && role.inputs !== this.width) {
      const expected = role.inputs === 'tokens' ? 'an Embedding as the first layer' : `${role.inputs} numbers`;
      const found = role.inputs === 'tokens' ? where : `${this.width} from the layer before`;
      throw fail(`The layers do not follow each other at ${wanted.type}`, { tensor, expected, found }, file);
    }
    this.width = role.outputs;
    if (wanted.type === 'BatchNorm1d' && role.layer.kind === 'statistics') {
      return normalisation(role.layer, wanted.eps ?? DEFAULT_EPS);
    }
    if (wanted.type === 'GroupNorm' && role.layer.kind === 'vector') {
      if (wanted.over === 'step') {
        const groups = divisor(wanted.groups, role.outputs, tensor, file);
        return { op: 'GroupNorm', layer: role.layer, groups, eps: wanted.eps ?? DEFAULT_EPS };
      }
      throw new RivuletError('UNSUPPORTED_OPERATOR', 'GroupNorm over all steps of a sequence', {
        file,
        tensor,
        expected: '"over": "step", of a module that is given one step at a time, [N, C]',
        hint: 'A module that is given [N, C, T] needs the whole sequence before its first output',
      });
    }
    if (wanted.type === 'PReLU')
      return { op: 'PReLU', name: role.layer.prefix || 'prelu', slope: weightOf(role.layer) };
    const step = stepOf(role);
    if (step.op === 'Conv1d' && wanted.type === 'Conv1d') {
      if (this.ended !== undefined) throw afterState(tensor, this.ended, file);
      const { padding, dilation = 1, groups = 1 } = wanted;
      return { ...step, padding, dilation, groups: divisor(groups, role.outputs, tensor, file) };
    }
    if (step.op === 'LayerNorm' && wanted.type === 'LayerNorm') step.eps = wanted.eps ?? step.eps;
    if (step.op === 'cell') {
      if (this.ended !== undefined) throw afterState(tensor, this.ended, file);
      if ('output' in wanted) step.output = wanted.output ?? 'sequence';
      if (wanted.type === 'RNN') step.nonlinearity = wanted.nonlinearity ?? 'tanh';
      if (step.output === 'state') this.ended = step.layer.prefix;
    }
    return step;
  }
}

const afterState = (tensor: string, ended: string, file: string | undefined): RivuletError =>
  fail('A sequence is needed after a state', { tensor, found: `"output": "state" of "${ended}"` }, file);

function divisor(groups: number, outputs: number, tensor: string, file: string | undefined): number {
  if (outputs % groups === 0) return groups;
  const details = { tensor, expected: `a divisor of ${outputs}`, found: `${groups}` };
  throw fail('The groups do not divide the outputs', details, file);
}

/** The layer that an entry means: by its prefix, or the only one that is left of its type. */
function choose(
  wanted: ArchitectureLayer & { prefix?: string },
  where: string,
  layers: readonly Layer[],
  open: ReadonlySet<Layer>,
  file: string | undefined,
): Role {
  const named = layers.filter(({ prefix }) => wanted.prefix === undefined || prefix === wanted.prefix);
  const fitting = named.flatMap((layer) => rolesFor(layer, wanted.type));
  const free = fitting.filter(({ layer }) => open.has(layer));
  if (free.length === 1) return free[0];
  const listed = (some: readonly Layer[]) => some.slice(0, 12).map(describe).join(', ') || 'nothing';
  if (free.length > 1) {
    const found = listed(free.map(({ layer }) => layer));
    throw fail(`${where} fits several layers`, { expected: 'a "prefix"', found }, file);
  }
  const name = wanted.prefix === undefined ? '' : ` "${wanted.prefix.slice(0, 100)}"`;
  if (fitting.length > 0) throw fail(`${where} lists a layer again`, { found: listed(named) }, file);
  const expected = `weights of ${wanted.type}${name}`;
  throw fail(`${where} has no weights`, { expected, found: listed(named.length > 0 ? named : layers) }, file);
}

/** An architecture may call an Embedding, a GroupNorm or a PReLU what does not look like one by itself. */
function rolesFor(layer: Layer, type: string): Role[] {
  if (type === 'GroupNorm' || type === 'PReLU') {
    return layer.kind === 'vector' && !(type === 'PReLU' && layer.bias) ? rolesOf(layer) : [];
  }
  const roles = rolesOf(layer).filter((role) => role.type === type);
  if (roles.length > 0 || layer.kind !== 'matrix' || layer.bias || type !== 'Linear') return roles;
  const [rows, columns] = layer.weight.shape;
  return [{ layer, type: 'Linear', inputs: columns, outputs: rows }];
}

const fail = (what: string, details: ErrorDetails, file: string | undefined): RivuletError =>
  new RivuletError('INVALID_FILE', what, { file, ...details });
