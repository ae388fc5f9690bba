// Package job is what the worker and its runtimes say to each other.
//
// The worker (package worker) claims attempts, renders them and talks to the server; a Runtime makes a
// finished Job manifest exist somewhere (package kube: in a cluster, package process: on this host), tells
// what it sees of it, and lets go of it once the outcome is recorded. The runtime decides nothing about runs:
// what it sees is an Observation, and the worker asks the server what that means.
//
//	           claim, lease, reports                Launch, Cancel, Release
//	server <------------------------> worker -----------------------------> Runtime
//	                                         <-----------------------------
//	                                             Observed, Output, Found
package job
