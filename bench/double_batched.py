"""PyTorch's side of double-batched.ts: double-batched training of stitches between two ONNX parents of the same
architecture (node i of one is paired with node i of the other), one thread. Stitches start as identities.

usage: double_batched.py A.onnx B.onnx IMAGES.npz BATCH

Says what it is in a line of JSON, then for each line that it reads makes a step and answers with a line of JSON."""
import json, re, sys, time

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from onnx import numpy_helper

torch.set_num_threads(1)


class Net:
    def __init__(self, path):
        model = onnx.load(path)
        graph = model.graph
        self.weights = {t.name: torch.from_numpy(numpy_helper.to_array(t).copy()) for t in graph.initializer}
        self.nodes = list(graph.node)
        self.attributes = [{a.name: onnx.helper.get_attribute_value(a) for a in n.attribute} for n in self.nodes]
        self.input = graph.input[0].name

    def compute(self, i, values):
        node, at = self.nodes[i], self.attributes[i]
        x = [values[name] if name in values else self.weights[name] for name in node.input]
        if node.op_type == 'Conv':
            return F.conv2d(*x, stride=at['strides'], padding=at['pads'][:2])
        if node.op_type == 'ConvTranspose':
            return F.conv_transpose2d(*x, stride=at['strides'])
        if node.op_type == 'InstanceNormalization':
            return F.instance_norm(x[0], weight=x[1], bias=x[2], eps=at['epsilon'])
        if node.op_type == 'LeakyRelu':
            return F.leaky_relu(x[0], at['alpha'])
        if node.op_type == 'Concat':
            return torch.cat(x, 1)
        raise ValueError(f'{node.op_type} is not used by nnU-Net')


def features(net, x):
    values, out = {net.input: x}, []
    for i, node in enumerate(net.nodes):
        values[node.output[0]] = net.compute(i, values)
        out.append(values[node.output[0]])
    return out


def loss_of(nets, stitches, x):
    with torch.no_grad():
        reference = [features(net, x) for net in nets]
    values = [{net.input: x} for net in nets]
    total = 0
    last = len(nets[0].nodes) - 1
    for i in range(last + 1):
        new = [net.compute(i, v) for net, v in zip(nets, values)]
        if i < last:
            new = [F.conv2d(new[1 - k], *stitches[i][k]) for k in (0, 1)]
        for k in (0, 1):
            target = reference[k][i]
            total = total + F.mse_loss(new[k], target) / target.var()
            values[k][nets[k].nodes[i].output[0]] = new[k]
    return total


def main():
    paths, images, batch = sys.argv[1:3], sys.argv[3], int(sys.argv[4])
    nets = [Net(path) for path in paths]
    x = torch.from_numpy(np.load(images)['images'][:batch])
    with torch.no_grad():
        shapes = [[f.shape[1] for f in features(net, x[:1])] for net in nets]
    stitches = [
        [(torch.eye(c, d)[:, :, None, None].clone().requires_grad_(), torch.zeros(c, requires_grad=True)) for c, d in ((a, b), (b, a))]
        for a, b in zip(*shapes)
    ][:-1]
    parameters = [p for pair in stitches for stitch in pair for p in stitch]
    optimizer = torch.optim.AdamW(parameters, lr=1e-2, weight_decay=0)
    with open('/proc/self/maps') as maps:
        blas = sorted(set(re.findall(r'[^/\s]*(?:blas|mkl)[^/\s]*\.so[^/\s]*', maps.read())))
    print(json.dumps({'torch': torch.__version__, 'threads': torch.get_num_threads(), 'blas': blas}), flush=True)
    for _ in sys.stdin:
        wall, processor = time.perf_counter(), time.process_time()
        loss = loss_of(nets, stitches, x)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        answer = {'loss': float(loss.detach())}
        answer['milliseconds'] = (time.perf_counter() - wall) * 1e3
        answer['processor'] = (time.process_time() - processor) * 1e3
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
