// Package rulebook keeps the rules of pools and of the installation, and applies the ones that count in a pool to
// a Job. The rules themselves are evaluated by package templating/rule, which workers use too.
//
// The rules of the installation count in every pool, before the pool's own. A pool's rules can only add to
// them. Rules are read for each Job, so that a new rule counts at once; compiled sets are kept.
package rulebook
