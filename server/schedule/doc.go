// Package schedule computes when a deployment runs by itself. It turns a Spec (cron, interval or RRULE, in a
// time zone) into slots: the instants at which a run is due. It is pure: no database and no clock, the caller
// passes the current time.
//
// # Slots
//
// A slot is a UTC instant in whole seconds and the key of the run that it creates: (schedule, slot) is unique
// in the database, so neither two servers nor a restarted one create the same run twice. Local time could not
// be the key, because 02:30 occurs twice in autumn. Slots are not stored in advance: Next computes the slot
// after an instant, Between a list of slots. A schedule without a slot in the next hundred years (30
// February) has ended, as has one past the year 9999.
//
// # Daylight saving
//
// A rule is of one of three kinds.
//
//   - A fixed hour and minute ("30 2 * * *", FREQ=DAILY;BYHOUR=2, an interval of a day or more) stands for
//     one local time per day and runs once for it. If the clock skips that time, the run is due at the
//     first instant after the gap; if the clock repeats it, at the first occurrence. If two entries then
//     fall on the same instant, they are one slot. A skipped day (Pacific/Apia, 30 December 2011) is a gap
//     like any other.
//   - A wildcard, list, range or step in hour or minute ("*/15 * * * *", "0 2,14 * * *") runs whenever the
//     local time matches: twice in a repeated hour, not at all in a skipped one.
//   - An interval below a day, and the INTERVAL of an hourly or minutely RRULE, counts elapsed time: six
//     hours after 21:00 is six hours later, whatever the clock did.
//
// # Missed slots
//
// Due decides which of the slots since the last check become runs: all, the latest, or only slots that are on
// time (MisfirePolicy). OverlapPolicy decides what happens to a new slot while an earlier run is live. Jitter
// delays the start of a run, never its slot.
//
// # Parsers
//
// Libraries parse cron and RRULE texts, but the slots are computed here: the libraries treat daylight saving
// and rules that never match differently from the rules above. The tests compare with the libraries where
// both must agree.
package schedule
