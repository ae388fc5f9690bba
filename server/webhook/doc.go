// Package webhook tells others what happened.
//
//	end of a run ──(same transaction)──► webhook_events ─┐
//	                                                     ├─ Decide ─► webhook_deliveries ─► Sender ─► receiver
//	schedules, pools that are not well ──(every 5 s)─────┘
//
// One server at a time decides what to tell (decide.go, condition.go: pure functions), all of them send. A delivery is
// reserved while it is sent, and has the same ID in each attempt, so that a receiver gets it at least once whatever server
// dies. What is about one subject is sent in its order: the end of something never overtakes its begin.
//
// The address and the secrets of a webhook are encrypted with the key that also encrypts signing keys. They are never
// shown, and are in no error: an address may have a token in its path.
package webhook
