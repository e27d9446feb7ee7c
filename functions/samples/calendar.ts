// Office hours, for hours.ts: saved as functions/calendar.private.ts, which nobody can call.
export interface Hours {
  readonly opens: number;
  readonly closes: number;
}

const week: Record<number, Hours | undefined> = {
  1: { opens: 9, closes: 17 },
  2: { opens: 9, closes: 17 },
  3: { opens: 9, closes: 17 },
  4: { opens: 9, closes: 17 },
  5: { opens: 9, closes: 16 },
};

/** Whether the office is open, at an offset from UTC in hours: there is no Intl in functions. */
export function isOpen(now: Date, offset: number): boolean {
  const local = new Date(now.getTime() + offset * 3_600_000);
  const hours = week[local.getUTCDay()];
  const hour = local.getUTCHours();
  return hours !== undefined && hours.opens <= hour && hour < hours.closes;
}
