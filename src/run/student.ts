/** The directory of a student: what `suture distill` makes. See `docs/distill.md`. */
import * as v from 'valibot';
import { tasks } from '../../passes/index.ts';
import { meaningSchema } from '../network/meaning.ts';
import { distilledName } from '../network/names.ts';
import { distillationSchema } from '../training/distill.ts';
import { naturalSchema } from './checkpoint.ts';
import { labelsSchema } from './config.ts';
import {
  closingEntries,
  dataEntries,
  storedNetworkSchema,
  type WholeDirectory,
  type WholeKind,
  wholeLayout,
} from './whole.ts';

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
  data: v.object({ ...dataEntries, images: naturalSchema }),
  /** Scores are those of the parents, the teacher, and the student before it was trained. */
  ...closingEntries,
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
    model: distilledName,
  },
  stored: ({ teacher, student, gated }, which) => {
    if (which === 'teacher') return teacher;
    return which === 'model' && gated ? { ...student, meaning: gated } : student;
  },
  again: 'distil again',
  maker: 'suture distill -o',
};
