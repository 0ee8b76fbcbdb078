"""NumPy's side of closed-form.ts: a ridge regression by numpy.linalg.solve, one thread.

usage: closed_form.py CASE.npz LAMBDA

The archive holds `x` [rows, c] and `y` [rows, m]; with fewer rows than c the dual form is solved. Says what it is in a line of JSON,
then for each line that it reads fits once and answers with a line of JSON: the norm of weight and bias, and the time."""
import json, re, sys, time

import numpy as np

case, ridge = np.load(sys.argv[1]), float(sys.argv[2])
x, y = [case[key].astype(np.float64) for key in 'xy']
rows, c = x.shape
dual = rows < c
mean_x, mean_y = x.mean(0), y.mean(0)
# Moments are given, as they are to suture; samples are not.
moments = None if dual else ((x - mean_x).T @ (x - mean_x) / rows, (x - mean_x).T @ (y - mean_y) / rows)


def shifted(a, variance):
    a = a.copy()
    a[np.diag_indices_from(a)] += ridge * variance
    return a


def fit():
    if not dual:
        xx, xy = moments
        weight = np.linalg.solve(shifted(xx, np.trace(xx) / c), xy).T
        return weight, mean_y - weight @ mean_x
    mx, my = x.mean(0), y.mean(0)
    p, q = x - mx, y - my
    gram = p @ p.T / rows
    weight = np.linalg.solve(shifted(gram, np.trace(gram) / c), q).T @ p / rows
    return weight, my - weight @ mx


with open('/proc/self/maps') as maps:
    blas = sorted(set(re.findall(r'[^/\s]*(?:blas|mkl)[^/\s]*\.so[^/\s]*', maps.read())))
print(json.dumps({'numpy': np.__version__, 'blas': blas}), flush=True)
for _ in sys.stdin:
    wall, processor = time.perf_counter(), time.process_time()
    weight, bias = fit()
    answer = {'milliseconds': (time.perf_counter() - wall) * 1e3, 'processor': (time.process_time() - processor) * 1e3}
    answer['loss'] = float(np.sqrt((weight**2).sum() + (bias**2).sum()))
    print(json.dumps(answer), flush=True)
