// Package approval keeps changes of a work pool from being carried out until another person has approved them.
//
// A change is described by what it does to objects: deployments, rules, the template. The gate is asked in the
// transaction that makes the change, after everything else is known about it:
//
//	transaction ──► Check.Admit ──► nothing governs it, or an approval with its fingerprint is used: commit
//	                            └─► Required: roll back ──► Gate.Middleware stores a request for each pool
//
// A request belongs to one pool and holds what changes in that pool only, so that a reviewer sees, and decides
// about, no other. Its fingerprint covers the policy and every value before and after the change. A change that
// is sent again has the same fingerprint only if it does the same to the same objects; whatever else happened
// in the meantime does not count. An approval is used in the transaction of the change, so that it is used
// once.
//
// Who may approve is decided when the approval is given and again when it is used: a role that is gone by then
// approves nothing.
package approval
