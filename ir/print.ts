import { printable } from './errors.ts';
import type { AnyNode, Graph, Value } from './graph.ts';
import { specOf } from './ops/index.ts';
import { numbersOf, type Tensor } from './tensor.ts';
import { typeText } from './type.ts';

export interface PrintOptions {
  /** Constants of at most this many elements are written out. */
  readonly elements?: number;
}

/**
 * A stable, readable text of a graph:
 *
 *     graph net(%x: float32[N, 1, 96, 96]) {
 *       %y: float32[N, 8, 96, 96] = Conv(%x, $w: float32[8, 1, 3, 3]) {pads = [1, 1, 1, 1]}
 *       return logits = %y
 *     }
 *
 * `%` is a value, `$` a constant. Attributes that have their default are left out.
 */
export function print(graph: Graph, options: PrintOptions = {}): string {
  return printIndented(graph, '', options.elements ?? 4).join('\n');
}

function printIndented(graph: Graph, indent: string, limit: number): string[] {
  const inputs = graph.inputs.map(v => `%${printable(v.name)}: ${typeText(v.type)}`).join(', ');
  const operand = (value: Value | undefined): string => {
    if (!value) return '_';
    if (!value.constant) return `%${printable(value.name)}`;
    return constantText(value.constant, value.name, limit);
  };
  const lines = [`${indent}graph ${printable(graph.name) || 'main'}(${inputs}) {`];
  for (const node of graph.nodes) {
    const outputs = node.outputs.map(v => `%${printable(v.name)}: ${typeText(v.type)}`).join(', ');
    const body = node.op === 'Fused' ? printIndented(node.attributes.body, `${indent}    `, limit) : [];
    const call = `${node.op}(${node.inputs.map(operand).join(', ')})`;
    lines.push(`${indent}  ${outputs} = ${call}${attributesText(node)}`, ...body);
  }
  const returned = graph.outputs.map(o => `${printable(o.name)} = ${operand(o.value)}`).join(', ');
  lines.push(`${indent}  return ${returned}`, `${indent}}`);
  return lines;
}

function constantText(tensor: Tensor, name: string, limit: number): string {
  const values = numbersOf(tensor);
  if (tensor.shape.length <= 1 && values.length <= limit) {
    const list = Array.from(values, numberText).join(', ');
    return tensor.shape.length === 0 ? `${list}` : `[${list}]`;
  }
  return `$${printable(name)}: ${typeText(tensor)}`;
}

function attributesText(node: AnyNode): string {
  const specs = specOf(node.op).attributes;
  const texts: string[] = [];
  for (const [name, value] of Object.entries(node.attributes)) {
    if (value === undefined || name === 'body' || isDefault(value, specs[name]?.default)) continue;
    texts.push(`${name} = ${attributeText(value)}`);
  }
  return texts.length > 0 ? ` {${texts.join(', ')}}` : '';
}

function isDefault(value: unknown, standard: unknown): boolean {
  if (!Array.isArray(value) || !Array.isArray(standard)) return value === standard;
  return value.length === standard.length && value.every((v, i) => v === standard[i]);
}

function attributeText(value: unknown): string {
  if (Array.isArray(value)) return `[${value.join(', ')}]`;
  if (typeof value === 'object' && value !== null && 'dtype' in value) return typeText(value as Tensor);
  return typeof value === 'number' ? numberText(value) : printable(String(value));
}

/** A float32 with the digits that it has: 0.01, not 0.009999999776482582. */
const numberText = (value: number): string => String(Number.isInteger(value) ? value : Number(value.toPrecision(7)));
