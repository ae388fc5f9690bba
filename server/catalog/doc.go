// Package catalog keeps the base job templates of work pools: it checks a template before it is saved,
// compiles each saved version once, knows the default template of each type of pool, and raises job variables
// for the attempt after one that ran out of memory.
package catalog
