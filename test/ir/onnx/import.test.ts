import { describe, expect, test } from 'vitest';
import { SutureError } from '../../../ir/errors.ts';
import { DataType } from '../../../ir/onnx/proto/schema.ts';
import { print } from '../../../ir/print.ts';
import { float32, int64s } from '../../../ir/tensor.ts';
import { imported, importOf, type Model, modelOf, node, value } from './model.ts';

const x = value('x', ['N', 2, 4, 4]);

const problemsOf = (model: Model): readonly string[] => {
  try {
    imported(model);
  } catch (error) {
    if (error instanceof SutureError && error.code === 'model-unsupported') return [error.message, ...error.details];
    throw error;
  }
  throw new Error('the import went well');
};

describe('importing', () => {
  test('gives a graph with the file\u2019s names and a symbolic batch', () => {
    const graph = importOf({
      inputs: [x],
      constants: { w: float32([3, 2, 1, 1], new Float32Array(6)) },
      nodes: [node('Conv', 'x w -> /conv/out'), node('Relu', '/conv/out -> y')],
    });
    expect(print(graph)).toMatchInlineSnapshot(`
      "graph g(%x: float32[N, 2, 4, 4]) {
        %/conv/out: float32[N, 3, 4, 4] = Conv(%x, $w: float32[3, 2, 1, 1])
        %y: float32[N, 3, 4, 4] = Relu(%/conv/out)
        return y = %y
      }"
    `);
  });

  test('keeps what the file says of model, graph, nodes and values', () => {
    const model = modelOf({ inputs: [x], nodes: [node('Relu', 'x -> y')] });
    const { graph, warnings } = imported({
      ...model,
      docString: 'about the model',
      producerName: 'pytorch',
      producerVersion: '2.9',
      domain: 'org.example',
      modelVersion: 3n,
      metadataProps: [{ key: 'licence', value: 'free' }],
      graph: {
        ...model.graph,
        docString: 'about the graph',
        node: [
          {
            ...node('Relu', 'x -> y'),
            docString: 'about the node',
            metadataProps: [{ key: 'namespace', value: 'encoder.stages.0' }],
          },
        ],
        valueInfo: [{ name: 'y', docString: 'about the value' }],
      },
    });
    expect(graph.info).toMatchObject({
      documentation: 'about the model',
      producer: 'pytorch 2.9',
      domain: 'org.example',
      version: 3n,
      metadata: { licence: 'free' },
      graph: { documentation: 'about the graph' },
      values: { y: { documentation: 'about the value' } },
    });
    expect(graph.nodes[0].origin).toEqual({
      name: 'Relu_y',
      documentation: 'about the node',
      metadata: { namespace: 'encoder.stages.0' },
    });
    expect(warnings).toEqual([]);
  });

  test('resolves Constant nodes in all their forms, and Identity of initialisers', () => {
    const graph = importOf({
      inputs: [value('x', ['N', 2])],
      constants: { bias: float32([2], [1, 2]) },
      nodes: [
        node('Constant', '-> a', { value: float32([2], [3, 4]) }),
        node('Constant', '-> b', { value_float: { float: 0.5 } }),
        node('Constant', '-> c', { value_floats: [0.5, 1.5] }),
        node('Constant', '-> axes', { value_ints: [1] }),
        node('Constant', '-> one', { value_int: 1 }),
        node('Identity', 'bias -> shared'),
        node('Sum', 'x a b c shared -> s'),
        node('ReduceSum', 's axes -> t'),
        node('Gather', 't one -> y', { axis: 1 }),
      ],
    });
    expect(print(graph)).toContain('Sum(%x, [3, 4], 0.5, [0.5, 1.5], [1, 2])');
    expect(print(graph)).toContain('ReduceSum(%s, [1])');
    expect(print(graph)).toContain('Gather(%t, 1) {axis = 1}');
  });

  test('keeps equal tensors that are stored once apart where that is asked for', () => {
    const model = modelOf({
      inputs: [value('x', ['N', 2])],
      constants: { bias: float32([2], [1, 2]) },
      nodes: [node('Identity', 'bias -> other'), node('Sum', 'x bias other -> y')],
    });
    const names = (apart: boolean) => imported(model, { apart }).graph.nodes[0].inputs.map(v => v?.name);
    expect([names(false), names(true)]).toEqual([
      ['x', 'bias', 'bias'],
      ['x', 'bias', 'other'],
    ]);
  });

  test('computes small constants that the exporter left to be computed', () => {
    const graph = importOf({
      inputs: [x],
      constants: { one: float32([2], [1, 1]), two: float32([2], [2, 2]) },
      nodes: [node('Concat', 'one two -> scales', { axis: 0 }), node('Resize', 'x _ scales -> y')],
    });
    expect(graph.nodes.map(n => n.op)).toEqual(['Resize']);
    expect(graph.outputs[0].value.type.shape.map(String)).toEqual(['N', '2', '8', '8']);
  });

  test('folds shape arithmetic with the batch symbolic', () => {
    const graph = importOf({
      inputs: [x],
      constants: { zero: int64s([0]), rest: int64s([-1]) },
      nodes: [
        node('Shape', 'x -> s'),
        node('Gather', 's zero -> n', { axis: 0 }),
        node('Concat', 'n rest -> to', { axis: 0 }),
        node('Reshape', 'x to -> y'),
      ],
    });
    expect(graph.outputs[0].value.type.shape.map(String)).toEqual(['N', '32']);
  });

  test('folds what follows from known extents, and leaves out what only fed it', () => {
    const graph = importOf({
      inputs: [x],
      constants: { two: { ...int64s([2]), shape: [] }, one: int64s([1]), axis: int64s([0]), flat: int64s([-1]) },
      nodes: [
        node('Shape', 'x -> s'),
        node('Gather', 's two -> h', { axis: 0 }),
        node('Unsqueeze', 'h axis -> row'),
        node('Concat', 'row one -> pair', { axis: 0 }),
        node('Tile', 'pair row -> many'),
        node('Reshape', 'many flat -> pads'),
        node('Pad', 'x pads -> y'),
      ],
    });
    expect(graph.nodes.map(n => n.op)).toEqual(['Pad']);
    expect(graph.outputs[0].value.type.shape.map(String)).toEqual(['N + 8', '4', '12', '6']);
  });

  test('takes nodes in any order that has an order', () => {
    const graph = importOf({
      inputs: [x],
      nodes: [node('Relu', 'b -> y'), node('Abs', 'a -> b'), node('Neg', 'x -> a')],
    });
    expect(graph.nodes.map(n => n.op)).toEqual(['Neg', 'Abs', 'Relu']);
  });

  test('treats initialisers that are inputs as constants: silently as of IR version 3, with a warning after', () => {
    const parts = {
      inputs: [x, value('b', [2, 1, 1])],
      constants: { b: float32([2, 1, 1], [1, 2]) },
      nodes: [node('Add', 'x b -> y')],
    };
    const old = imported(modelOf({ ...parts, irVersion: 3, opset: 8 }));
    expect(old.graph.inputs.map(v => v.name)).toEqual(['x']);
    expect(old.warnings).toEqual([]);
    const recent = imported(modelOf({ ...parts, irVersion: 8 }));
    expect(recent.graph.inputs.map(v => v.name)).toEqual(['x']);
    expect(recent.warnings.map(w => w.code)).toEqual(['input-default']);
  });

  test('inlines model-local functions, with their attributes and defaults', () => {
    const { graph, warnings } = imported(
      modelOf({
        inputs: [x],
        nodes: [
          { ...node('Scaled', 'x -> h', { slope: { float: 0.25 } }), domain: 'custom' },
          { ...node('Scaled', 'h -> y'), domain: 'custom' },
        ],
        functions: [
          {
            name: 'Scaled',
            domain: 'custom',
            input: ['a', 'missing'],
            output: ['c'],
            attributeProto: [{ name: 'slope', type: 1, f: 0.5 }],
            opsetImport: [{ domain: '', version: 17n }],
            node: [
              {
                ...node('LeakyRelu', 'a -> b'),
                attribute: [{ name: 'alpha', type: 1, refAttrName: 'slope' }],
              },
              node('Clip', 'b missing -> c'),
            ],
          },
        ],
      }),
    );
    expect(print(graph)).toMatchInlineSnapshot(`
      "graph g(%x: float32[N, 2, 4, 4]) {
        %Scaled_h/b: float32[N, 2, 4, 4] = LeakyRelu(%x) {alpha = 0.25}
        %h: float32[N, 2, 4, 4] = Clip(%Scaled_h/b)
        %Scaled_y/b: float32[N, 2, 4, 4] = LeakyRelu(%h) {alpha = 0.5}
        %y: float32[N, 2, 4, 4] = Clip(%Scaled_y/b)
        return y = %y
      }"
    `);
    expect(warnings.map(w => w.code)).toEqual(['function-inlined']);
  });

  test('reads training mode as inference and says so once, whatever the number of nodes', () => {
    const channel = () => float32([2], [1, 1]);
    const layers = ['h1', 'h2', 'h3', 'h4', 'h5', 'y'];
    const { graph, warnings } = imported(
      modelOf({
        inputs: [x],
        constants: { s: channel(), b: channel(), m: channel(), v: channel() },
        nodes: layers.map((to, i) =>
          node('BatchNormalization', `${layers[i - 1] ?? 'x'} s b m v -> ${to} m_${to} v_${to}`, { training_mode: 1 }),
        ),
      }),
    );
    expect(graph.nodes.map(n => [n.op, n.outputs.length])).toEqual(layers.map(() => ['BatchNormalization', 1]));
    expect(warnings).toEqual([
      {
        code: 'training-mode',
        message:
          'In training mode, and read as inference, normalised by the running statistics: ' +
          "BatchNormalization 'BatchNormalization_h1', BatchNormalization 'BatchNormalization_h2', " +
          "BatchNormalization 'BatchNormalization_h3', BatchNormalization 'BatchNormalization_h4' and 2 more.",
      },
    ]);
  });

  test('says nothing of training mode where it drops nothing', () => {
    const on = { ...float32([], [1]), dtype: 'bool', data: Uint8Array.of(1) } as const;
    const dropout = (ratio: number) =>
      imported(
        modelOf({ inputs: [x], constants: { r: float32([], [ratio]), on }, nodes: [node('Dropout', 'x r on -> y')] }),
      ).warnings.map(w => w.code);
    expect(dropout(0)).toEqual([]);
    expect(dropout(0.5)).toEqual(['training-mode']);
  });

  test('names initialisers that nothing reads', () => {
    const parts = { inputs: [x], constants: { spare: float32([1], [1]) }, nodes: [node('Relu', 'x -> y')] };
    expect(imported(modelOf(parts)).warnings).toEqual([
      { code: 'unused-initializer', message: expect.stringContaining("'spare'") },
    ]);
  });

  test('drops dropout, and gives its mask where it is read', () => {
    expect(
      importOf({ inputs: [x], nodes: [node('Dropout', 'x -> h mask'), node('Relu', 'h -> y')] }).nodes,
    ).toHaveLength(1);
    const graph = importOf({ inputs: [x], nodes: [node('Dropout', 'x -> y mask')], outputs: ['y', 'mask'] });
    expect(graph.outputs.map(o => o.value.type.dtype)).toEqual(['float32', 'bool']);
  });

  test.each([
    ['by its extents', [2, 32], 'Identity', 'N, 32'],
    ['by the matrix product that follows', [2, -1], 'Gemm', 'N, 3'],
  ])('repairs a batch that was baked into a Reshape, proven %s', (_, target, op, expected) => {
    const { graph, warnings } = imported(
      modelOf({
        inputs: [x],
        constants: { to: int64s(target), w: float32([32, 3], new Float32Array(96)) },
        nodes: [node('Reshape', 'x to -> flat'), node(op, op === 'Gemm' ? 'flat w -> y' : 'flat -> y')],
      }),
    );
    expect(graph.outputs[0].value.type.shape.join(', ')).toBe(expected);
    expect(warnings.filter(w => w.code === 'baked-batch').map(w => w.message)).toEqual([
      expect.stringContaining('it was replaced by N'),
    ]);
  });

  test('reports a batch that was baked into a Reshape where nothing proves it', () => {
    const { warnings } = imported(
      modelOf({ inputs: [x], constants: { to: int64s([2, -1]) }, nodes: [node('Reshape', 'x to -> y')] }),
    );
    expect(warnings.map(w => [w.code, w.message])).toEqual([
      ['baked-batch', expect.stringContaining('export it anew')],
    ]);
  });

  test('warns of what a graph cannot hold', () => {
    const model = modelOf({ inputs: [x], nodes: [node('Relu', 'x -> y')] });
    const { warnings } = imported({
      ...model,
      configuration: [{ name: 'two' }],
      trainingInfo: [{}],
      graph: { ...model.graph, quantizationAnnotation: [{ tensorName: 'x' }] },
    });
    expect(warnings.map(w => w.code)).toEqual(['field-dropped', 'field-dropped', 'field-dropped']);
    expect(imported({ ...model, opsetImport: [{ version: 99n }] }).warnings.map(w => w.code)).toEqual(['newer-opset']);
  });
});

describe('a model that cannot be expressed', () => {
  test('is refused with all problems at once', () => {
    const [message, ...details] = problemsOf(
      modelOf({
        opset: 13,
        inputs: [x, value('text', ['N'], DataType.STRING), { name: 'rankless', type: { tensorType: { elemType: 1 } } }],
        nodes: [
          node('Unique', 'x -> a'),
          node('Unique', 'x -> b'),
          node('Relu', 'a -> c'),
          node('Relu', 'nowhere -> d'),
          node('Mish', 'x -> e'),
          node('LeakyRelu', 'x -> g', { slope: { float: 1 } }),
          { ...node('Magic', 'x -> i'), domain: 'com.example' },
        ],
        outputs: ['c', 'z'],
      }),
    );
    expect(message).toMatch(
      /^The model can't be expressed: Input 'text'; Input 'rankless'; Operator Unique \(opset 13\);/,
    );
    expect(details.slice(0, -1)).toEqual([
      "Input 'text': its element type STRING is not supported.",
      "Input 'rankless': its shape is not given; the number of its dimensions must be known.",
      "Operator Unique (opset 13): the operator is not supported (2 nodes: 'Unique_a', 'Unique_b').",
      "Operator Relu (opset 13): its input 'nowhere' is defined nowhere (node 'Relu_d').",
      "Operator Mish (opset 13): its form of opset 13 is not supported; forms from opset 18 on are (node 'Mish_e').",
      "Operator LeakyRelu (opset 13): it has the attribute 'slope', which LeakyRelu has not (node 'LeakyRelu_g').",
      "Operator com.example.Magic: its domain is not supported and the file holds no function of that name (node 'Magic_i').",
      "Output 'z': it is computed nowhere.",
    ]);
    expect(details.at(-1)).toMatch(/^Supported are, of ONNX: Abs, .*Conv, .*ConvTranspose, /);
  });

  test('names operators whose operands do not fit', () => {
    const details = problemsOf(
      modelOf({
        inputs: [x],
        constants: { w: float32([3, 5, 1, 1], new Float32Array(15)) },
        nodes: [node('Conv', 'x w -> y')],
      }),
    );
    expect(details.join()).toContain('channels of the input and of the weight: 2 and 5 differ');
  });

  test.each<[string, Model, RegExp]>([
    [
      'a cycle',
      modelOf({ inputs: [x], nodes: [node('Add', 'x b -> a'), node('Relu', 'a -> b')], outputs: ['a'] }),
      /the nodes form a cycle/,
    ],
    [
      'a value defined twice',
      modelOf({ inputs: [x], nodes: [node('Abs', 'x -> y'), node('Neg', 'x -> y')] }),
      /defined twice/,
    ],
    [
      'statistics that only training computes',
      modelOf({
        opset: 13,
        inputs: [x],
        constants: Object.fromEntries(['s', 'b', 'm', 'v'].map(n => [n, float32([2], [1, 1])])),
        nodes: [node('BatchNormalization', 'x s b m v -> y m2 v2')],
        outputs: ['y', 'm2'],
      }),
      /only training computes/,
    ],
    [
      'an initialiser defined twice',
      (() => {
        const model = modelOf({ inputs: [x], constants: { w: float32([1], [1]) }, nodes: [node('Add', 'x w -> y')] });
        const [w] = model.graph!.initializer!;
        return { ...model, graph: { ...model.graph, initializer: [w, w] } };
      })(),
      /Initializer 'w': it is defined twice/,
    ],
    [
      'an input defined twice',
      modelOf({ inputs: [x, x], nodes: [node('Relu', 'x -> y')] }),
      /Input 'x': it is defined twice/,
    ],
    [
      'a function that calls itself',
      modelOf({
        inputs: [x],
        nodes: [{ ...node('F', 'x -> y'), domain: 'd' }],
        functions: [
          { name: 'F', domain: 'd', input: ['a'], output: ['b'], node: [{ ...node('F', 'a -> b'), domain: 'd' }] },
        ],
      }),
      /calls itself/,
    ],
    [
      'an input under a name that objects do not take',
      modelOf({ inputs: [value('__proto__', [1])], nodes: [node('Relu', '__proto__ -> y')] }),
      /Input '__proto__': the name has a meaning/,
    ],
    [
      'a window that does not move',
      modelOf({
        inputs: [x],
        constants: { w: float32([1, 2, 1, 1], [1, 1]) },
        nodes: [node('Conv', 'x w -> y', { strides: [0, 1] })],
      }),
      /strides has the entry 0, and must be positive/,
    ],
    [
      'a declared dtype that contradicts',
      (() => {
        const model = modelOf({ inputs: [x], nodes: [node('Relu', 'x -> y')] });
        return { ...model, graph: { ...model.graph, output: [value('y', ['N', 2, 4, 4], DataType.INT8)] } };
      })(),
      /declared int8, but is float32/,
    ],
    [
      'a sparse initialiser',
      (() => {
        const model = modelOf({ inputs: [x], nodes: [node('Add', 'x w -> y')] });
        return { ...model, graph: { ...model.graph, sparseInitializer: [{ values: { name: 'w' } }] } };
      })(),
      /sparse/,
    ],
  ])('%s', (_, model, message) => {
    expect(problemsOf(model).join('\n')).toMatch(message);
  });

  test('names from the file are harmless on a terminal', () => {
    const details = problemsOf(
      modelOf({ inputs: [x], nodes: [{ ...node('DeformConv', 'x -> y'), name: '\u001b[2J\r\n' }] }),
    );
    expect(details.join('')).toContain('\\x1b[2J\\x0d\\x0a');
    expect(details.join('')).not.toContain('\u001b');
  });
});
