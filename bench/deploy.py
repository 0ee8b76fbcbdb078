"""An exported network behind docs/deploy/exported_network.py, in the steps of nnU-Net's predictor (written down from its source, as nnU-Net is not
needed here), against the labels of `suture predict`.

    node dist/src/cli/main.js predict RUN --data IMAGES -o LABELS
    python3 bench/deploy.py RUN/stitched.onnx IMAGES LABELS

IMAGES are .nii.gz of one channel. numpy, scipy, scikit-image, torch, nibabel; and onnxruntime, or without it node and onnx: then ONNX Runtime
computes in a Node process.
"""
import itertools
import json
import subprocess
import sys
import types
from pathlib import Path

import nibabel
import numpy as np
import torch
from scipy.ndimage import gaussian_filter

ROOT = Path(__file__).parents[1]
sys.path += [str(ROOT / "docs" / "deploy"), str(ROOT / "fixtures" / "preprocessing")]

try:
    import onnxruntime
except ModuleNotFoundError:
    import onnx

    NODE = """
import { createRequire } from 'node:module';
const { InferenceSession, Tensor } = createRequire(process.argv[2])('onnxruntime-node');
const session = await InferenceSession.create(process.argv[1], { intraOpNumThreads: 1 });
let held = Buffer.alloc(0);
for await (const part of process.stdin) {
  held = Buffer.concat([held, part]);
  for (;;) {
    if (held.length < 4) break;
    const head = held.readUInt32LE(0);
    if (held.length < 4 + head) break;
    const shape = JSON.parse(held.subarray(4, 4 + head).toString());
    const bytes = 4 * shape.reduce((x, y) => x * y, 1);
    if (held.length < 4 + head + bytes) break;
    const data = new Float32Array(new Uint8Array(held.subarray(4 + head, 4 + head + bytes)).buffer);
    held = held.subarray(4 + head + bytes);
    const { [session.outputNames[0]]: y } = await session.run({ [session.inputNames[0]]: new Tensor('float32', data, shape) });
    const said = Buffer.from(JSON.stringify(y.dims));
    const length = Buffer.alloc(4);
    length.writeUInt32LE(said.length);
    process.stdout.write(Buffer.concat([length, said, Buffer.from(y.data.buffer, y.data.byteOffset, y.data.byteLength)]));
  }
}
"""

    class InferenceSession:
        def __init__(self, path, providers):
            model = onnx.load(path, load_external_data=False)
            self.metadata = {p.key: p.value for p in model.metadata_props}
            self.names = [i.name for i in model.graph.input]
            command = ["node", "--input-type=module", "-e", NODE, path, str(ROOT / "package.json")]
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

        def get_modelmeta(self):
            return types.SimpleNamespace(custom_metadata_map=self.metadata)

        def get_inputs(self):
            return [types.SimpleNamespace(name=name, type="tensor(float)") for name in self.names]

        def run(self, _, feeds):
            (x,) = feeds.values()
            head = json.dumps(x.shape).encode()
            self.process.stdin.write(len(head).to_bytes(4, "little") + head + x.tobytes())
            self.process.stdin.flush()
            read = self.process.stdout.read
            shape = json.loads(read(int.from_bytes(read(4), "little")))
            return [np.frombuffer(read(4 * int(np.prod(shape))), np.float32).reshape(shape)]

    onnxruntime = types.ModuleType("onnxruntime")
    onnxruntime.InferenceSession = InferenceSession
    onnxruntime.get_available_providers = lambda: ["CPUExecutionProvider"]
    sys.modules["onnxruntime"] = onnxruntime

from exported_network import ExportedNetwork  # noqa: E402
from preprocessing import crop_box, normalised, python_round, resample  # noqa: E402


def starts(extent, window):
    count = int(np.ceil((extent - window) / (window / 2))) + 1
    return [0] if count == 1 else [int(np.round((extent - window) / (count - 1) * i)) for i in range(count)]


class Predictor:
    """What nnU-Net's predictor does with `network`, and to its answers: weights loaded, moved, set to evaluation, windows one by one without
    gradients, mirrored answers added in place, answers weighed in place and summed (in float32, where nnU-Net has float16)."""

    def __init__(self, network, parameters, mirror_axes):
        self.network, self.list_of_parameters, self.mirror_axes = network, parameters, mirror_axes

    @torch.inference_mode()
    def predict(self, data, patch, heads):
        total = None
        for parameters in self.list_of_parameters:
            self.network.load_state_dict(parameters)
            logits = self.slide(data, patch, heads)
            total = logits if total is None else total + logits
        return total / len(self.list_of_parameters)

    def slide(self, data, patch, heads):
        device = torch.device("cpu")
        self.network = self.network.to(device)
        self.network.eval()
        bell = np.zeros(patch)
        bell[tuple(n // 2 for n in patch)] = 1
        bell = gaussian_filter(bell, [n / 8 for n in patch], mode="constant")
        bell = torch.tensor(bell / bell.max() * 10, dtype=torch.float32)
        sums, weights = torch.zeros(heads, *data.shape[1:]), torch.zeros(data.shape[1:])
        for at in itertools.product(*[starts(n, p) for n, p in zip(data.shape[1:], patch)]):
            window = (slice(None), *(slice(a, a + p) for a, p in zip(at, patch)))
            prediction = self.mirrored(torch.clone(data[window][None], memory_format=torch.contiguous_format))[0]
            prediction *= bell
            sums[window] += prediction
            weights[window[1:]] += bell
        return sums / weights

    def mirrored(self, x):
        prediction = self.network(x)
        axes = [m + 2 for m in self.mirror_axes]
        flips = [some for n in range(len(axes)) for some in itertools.combinations(axes, n + 1)]
        for some in flips:
            prediction += torch.flip(self.network(torch.flip(x, some)), some)
        prediction /= len(flips) + 1
        return prediction


def main(model, images, labels, *mirror):
    network = ExportedNetwork(model)
    plans, names = network.plans(), network.dataset["labels"]
    ((_, c),) = plans["configurations"].items()
    facts = plans["foreground_intensity_properties_per_channel"]["0"]
    predictor = Predictor(network, [{}], [int(axis) for axis in mirror])
    different = places = 0
    for file in sorted(Path(images).glob("*_0000.nii.gz")):
        image = nibabel.load(file)
        spacing = [float(s) for s in image.header.get_zooms()[::-1]]
        voxels = np.asarray(image.dataobj, np.float32).transpose(2, 1, 0)
        box = crop_box(voxels[None])
        part = voxels[box]
        x = normalised(part, c["normalization_schemes"][0], None, facts)
        shape = [python_round(a / b * n) for a, b, n in zip(spacing, c["spacing"], part.shape)]
        x = torch.tensor(resample(x, shape, spacing, c["spacing"], c["resampling_fn_data_kwargs"]), dtype=torch.float32)
        logits = predictor.predict(x[None], c["patch_size"], len(names)).numpy()
        back = [resample(k, part.shape, c["spacing"], spacing, c["resampling_fn_probabilities_kwargs"]) for k in logits]
        found = np.zeros(voxels.shape, np.uint8)
        found[box] = np.argmax(back, 0)
        wanted = np.asarray(nibabel.load(Path(labels) / file.name.replace("_0000", "")).dataobj).transpose(2, 1, 0)
        different += int((found != wanted).sum())
        places += found.size
        print(file.name, np.bincount(found.ravel()))
    print(f"{different} of {places} labels differ")


main(*sys.argv[1:])
