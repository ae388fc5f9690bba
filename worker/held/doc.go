// Package held is the table of the attempts whose leases a worker has: where each of them stands, what the
// server should know of it, and which reports follow from that. It does no I/O and starts no goroutine.
//
// # Stages
//
// Each attempt has one [Stage], which only [Table] changes, by one pure function of stage and [Event]. These
// are all changes; any other pair of stage and event leaves the stage as it is and asks for nothing. "held"
// is every stage but released, "=" is the stage as it was. "Job" says whether a Job may exist: "no" means
// that certainly no create reached the API server, "any" that it does not matter.
//
//	event                  stage                                      Job  next          action
//	launch started         preparing                                  any  launching     -
//	job launched           preparing, launching                       any  live          -
//	job launched           ending, abandoned                          any  =             cancel job
//	job launched           released                                   any  =             stop observing
//	cancel requested       preparing, launching                       any  ending        -
//	cancel requested       live                                       any  ending        cancel job
//	end observed           preparing, launching, live, ending         any  ended         -
//	end observed           abandoned                                  any  released      finalize
//	end decided            preparing, launching, live, ending         any  ended         -
//	end decided            abandoned                                  any  released      finish output
//	stopped before create  preparing, launching, ending               any  handing back  -
//	stopped before create  abandoned                                  any  released      finish output
//	left to others         preparing, launching, live, ending         any  released      finish output
//	left to others         handing back, abandoned                    any  released      finish output
//	replaced               held                                       any  released      -
//	outcome recorded       held                                       yes  released      finalize
//	outcome recorded       held                                       no   released      finish output
//	outcome refused        held                                       any  released      disown
//	hand back recorded     held                                       any  released      finish output
//	lease lost             held                                       any  released      disown
//	duplicate refused      held                                       any  released      delete duplicate
//	ended at server        preparing, launching, ending               yes  abandoned     -
//	ended at server        live                                       yes  abandoned     cancel job
//	ended at server        ended                                      yes  released      finalize
//	ended at server        handing back                               yes  released      finish output
//	ended at server        held                                       no   released      finish output
//	unknown at server      held                                       yes  released      disown and look up
//	unknown at server      held                                       no   released      finish output
//
// # What must hold
//
//   - Reports are levels, not messages. The facts about an attempt are compared with what the server has
//     accepted of them, and the difference is due. While the server is away, a newer observation replaces
//     older ones.
//   - The first end counts: no later observation replaces it.
//   - The manifest goes to the server with the first report, which may come after the Job was created. Whoever
//     takes over without it assumes that there is a Job, and looks for it before it creates one. Where it might
//     not find the Job, the server has the manifest before the Job may be created.
//   - A Job may be created only while the attempt is launching and the lease is held by our own clock,
//     counted from before the question was asked, with a margin.
//   - An attempt whose create may have reached the API server is never handed back: another worker would
//     start it again.
//   - An answer about an older epoch never touches a newer one: every epoch has its own [Attempt].
package held
