/** Operators of ONNX that the vocabulary has no word for, said in its words. */
import type { ForeignRule } from '../form.ts';
import { attention } from './attention.ts';
import { basic } from './basic.ts';
import { control } from './control.ts';
import { determinants } from './determinant.ts';
import { einsum } from './einsum.ts';
import { linearAttention } from './linear-attention.ts';
import { losses } from './losses.ts';
import { ngrams } from './ngrams.ts';
import { quantized } from './quantized.ts';
import { recurrent } from './recurrent.ts';
import { resampled } from './resampled.ts';
import { sampling } from './sampling.ts';
import { transforms } from './transforms.ts';
import { windows } from './windows.ts';

export const foreign: Readonly<Record<string, ForeignRule>> = {
  ...attention,
  ...basic,
  ...control,
  ...determinants,
  ...einsum,
  ...linearAttention,
  ...losses,
  ...ngrams,
  ...quantized,
  ...recurrent,
  ...resampled,
  ...sampling,
  ...transforms,
  ...windows,
};
