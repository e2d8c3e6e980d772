import { formatDuration } from "../format.js";

/** All time there is. Entries are { day, who, project, seconds }. */
export const report = {
  letter: "t",
  title: "Total",
  lines: (entries) => [formatDuration(entries.reduce((sum, { seconds }) => sum + seconds, 0))],
};
