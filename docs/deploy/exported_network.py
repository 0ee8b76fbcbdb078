"""A network that suture exported, as nnU-Net v2's predictor and other PyTorch programs want one: an nn.Module that gives logits.

Needs numpy, torch and onnxruntime (onnxruntime-gpu for CUDA).
"""
import copy
import json

import numpy as np
import onnxruntime
import torch


class ExportedNetwork(torch.nn.Module):
    def __init__(self, path, providers=("CUDAExecutionProvider", "CPUExecutionProvider")):
        super().__init__()
        known = onnxruntime.get_available_providers()
        self.session = onnxruntime.InferenceSession(str(path), providers=[p for p in providers if p in known])
        self.said = dict(self.session.get_modelmeta().custom_metadata_map)
        (self.input,) = self.session.get_inputs()
        self.dtype = np.float16 if "float16" in self.input.type else np.float32

    def forward(self, x):
        """[N, C, ...] of any device and float dtype; logits [N, K, ...] in float32, on the same device, the caller's to write into."""
        given = np.ascontiguousarray(x.detach().cpu().numpy(), dtype=self.dtype)
        (output,) = self.session.run(None, {self.input.name: given})
        y = torch.from_numpy(np.array(output, dtype=np.float32)).to(x.device)
        y = y.movedim(int(self.said.get("suture.output.channel_axis", 1)), 1)
        kind, regions = self.said.get("suture.output.kind"), self.said.get("suture.output.activation") == "sigmoid"
        if kind == "log-probabilities" and regions:
            kind, y = "probabilities", torch.exp(y)
        if kind != "probabilities":
            return y  # Logarithms of probabilities of classes are logits too.
        return torch.logit(y, 1e-7) if regions else torch.log(y.clamp(1e-7, 1))

    def load_state_dict(self, state_dict=None, strict=True):
        """Keeps the file's weights: nnU-Net loads those of each fold before it predicts."""

    @property
    def dataset(self):
        """dataset.json: names of channels and labels."""
        return json.loads(self.said["suture.dataset"])

    def plans(self, own=None):
        """plans.json as this network wants cases prepared. `own`: the plans that its first parent was trained by, for what else nnU-Net asks of
        plans (readers, names of classes); what the network's file says goes before it, as joined networks may share other bounds of intensities."""
        ours = json.loads(self.said["suture.plans"])
        if own is None:
            return ours
        plans = copy.deepcopy(own)
        for name, configuration in ours.pop("configurations").items():
            plans["configurations"].setdefault(name, {}).update(configuration)
        for channel, facts in ours.pop("foreground_intensity_properties_per_channel", {}).items():
            plans.setdefault("foreground_intensity_properties_per_channel", {}).setdefault(channel, {}).update(facts)
        return {**plans, **ours}
