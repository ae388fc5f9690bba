// Package schedule says when a deployment runs by itself: it turns a Spec (cron, interval or RRULE, in a time
// zone) into slots, the instants at which a run is due. It is pure: no database, no clock; the caller says
// what time it is.
//
// # Slots
//
// A slot is a UTC instant, in whole seconds, and it is the key of the run it makes: (schedule, slot) is
// unique in the database, so two servers, or one that starts again, never make the same run twice. A local
// time would not do: in autumn 02:30 comes twice. Nothing is stored ahead: Next computes the slot after an
// instant, Between a list of them. A schedule that finds no slot within a hundred years (30 February) has
// ended; so has one past the year 9999.
//
// # Daylight saving
//
// Every rule falls in one of three kinds.
//
//   - A fixed hour and minute ("30 2 * * *", FREQ=DAILY;BYHOUR=2, an interval of a day or more) is one time on the wall
//     clock of a day and runs once for it. When the clock jumps over it, it runs at the first instant after the jump;
//     when the clock shows it twice, the first time. If that makes two entries fall on one instant, that is one slot.
//     A zone that leaves out a whole day (Pacific/Apia, 30 December 2011) is no exception: that day's entry runs at the
//     first instant after it.
//   - A wildcard, list, range or step in hour or minute ("*/15 * * * *", "0 2,14 * * *") runs whenever a clock on the
//     wall shows a matching time: twice in the hour that comes twice, not at all in the one that is left out.
//   - An interval below a day, and the INTERVAL of an hourly or minutely RRULE, counts real time: six hours after 21:00
//     is six hours later, whatever the clock did.
//
// # Missed slots
//
// Due decides what to do with the slots since the last time somebody looked: create them all, the latest, or
// only what is on time (Misfire). Overlap decides what a new slot does while an earlier run is live. Jitter
// delays the start, never the slot.
//
// # Whose parser
//
// Parsing cron and RRULE texts is left to libraries, computing slots is not: their answers to daylight
// saving, and to rules that never match, differ from the ones above. The tests compare with them where they
// must agree.
package schedule
