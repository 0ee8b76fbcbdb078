"""PyTorch's side of distillation-step.ts: all weights of an ONNX network trained to give another one's probabilities, one thread.

usage: distillation_step.py TEACHER.onnx STUDENT.onnx IMAGES.npz BATCH

Says what it is in a line of JSON, then for each line that it reads makes a step and answers with a line of JSON."""
import json, sys, time

import numpy as np
import torch

from double_batched import Net, features


def main():
    teacher, student = Net(sys.argv[1]), Net(sys.argv[2])
    x = torch.from_numpy(np.load(sys.argv[3])['images'][:int(sys.argv[4])])
    with torch.no_grad():
        truth = features(teacher, x)[-1].softmax(1)
        features(student, x)
    parameters = [w.requires_grad_() for w in student.weights.values() if w.is_floating_point()]
    optimizer = torch.optim.AdamW(parameters, lr=1e-3, weight_decay=0)
    print(json.dumps({'torch': torch.__version__, 'threads': torch.get_num_threads()}), flush=True)
    for _ in sys.stdin:
        wall, processor = time.perf_counter(), time.process_time()
        log = features(student, x)[-1].log_softmax(1)
        p, over = log.exp(), (0, *range(2, log.dim()))
        dice = (2 * (p * truth).sum(over) + 1e-5) / (p.sum(over) + truth.sum(over) + 1e-5)
        loss = 1 - (truth * log).sum(1).mean() - dice[1:].mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 12.0)
        optimizer.step()
        answer = {'loss': float(loss.detach())}
        answer['milliseconds'] = (time.perf_counter() - wall) * 1e3
        answer['processor'] = (time.process_time() - processor) * 1e3
        print(json.dumps(answer), flush=True)


if __name__ == '__main__':
    main()
