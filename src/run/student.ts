/** The directory of a student: what `suture distill` makes. See `docs/distill.md`. */
import * as v from 'valibot';
import { tasks } from '../../passes/index.ts';
import { metricNames } from '../metrics/metric.ts';
import { meaningSchema } from '../network/meaning.ts';
import { distillationSchema } from '../training/distill.ts';
import { hashSchema, naturalSchema } from './checkpoint.ts';
import { labelsSchema } from './config.ts';
import { storedNetworkSchema, validationSchema, type WholeDirectory, type WholeKind, wholeLayout } from './whole.ts';

const dataSchema = { source: v.string(), sha256: hashSchema };

const configSchema = v.object({
  format: v.literal('suture-student'),
  version: v.literal(1),
  /** The run whose networks these are. */
  run: v.string(),
  teacher: storedNetworkSchema,
  student: storedNetworkSchema,
  /** Where the branches of a gated network are trained side by side (`settleAbreast`): what the gated network's output means. */
  gated: v.optional(meaningSchema),
  task: v.picklist(tasks),
  labels: v.optional(labelsSchema),
  training: distillationSchema,
  data: v.object({ ...dataSchema, images: naturalSchema }),
  validation: v.object(dataSchema),
  metric: v.picklist(metricNames),
  /** Of the parents, the teacher, and the student before it was trained, on the validation data. */
  scores: v.array(validationSchema),
  executor: v.object({ name: v.picklist(['webgpu', 'ort']), description: v.string() }),
  versions: v.record(v.string(), v.optional(v.string())),
});

export type StudentConfig = v.InferOutput<typeof configSchema>;

export type StudentDirectory = WholeDirectory<StudentConfig, 'teacher'>;

export const students: WholeKind<StudentConfig, 'teacher'> = {
  what: 'student',
  whose: "student's",
  layout: wholeLayout(
    { teacher: 'teacher.onnx', start: 'start.onnx', model: 'student.onnx' },
    { what: 'student', training: 'suture distill', evaluating: 'suture evaluate' },
  ),
  schema: configSchema,
  titles: {
    teacher: of => `the teacher (${of})`,
    start: of => `the student (from ${of})`,
    model: of => `distilled from ${of}`,
  },
  stored: ({ teacher, student, gated }, which) => {
    if (which === 'teacher') return teacher;
    return which === 'model' && gated ? { ...student, meaning: gated } : student;
  },
  again: 'distil again',
  maker: 'suture distill -o',
};
