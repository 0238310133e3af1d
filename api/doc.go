// Package api is the HTTP face of a node: routes, strict decoding, problem replies,
// the OpenAPI document, and one middleware seam.
//
// # Promise
//
//   - A request is understood exactly or refused with a detail that says what to
//     change. Nothing is guessed: keys are case-sensitive, a repeated key, an
//     unknown query parameter or a byte after the object is refused.
//   - A reply to a write says what became of it: done, not applied, or outcome
//     unknown and safe to repeat. See the table below.
//   - The single POST allocates nothing. In its plain form it does not pass through
//     fasthttp, but is answered by a front, as the counts of all segments are: see
//     [front].
//   - A panic in a handler costs its request only.
//
// # Needs
//
// A [Service], which package cli makes of a running node. Package api knows nothing
// else of Headcount. It is the only serving-side importer of fasthttp, which has no
// panic recovery and reuses a request's memory as soon as its handler returns: so
// whatever is handed to the Service is borrowed for the call.
//
// # Concurrency
//
// [Server.Serve] blocks and may be called once per listener; [Server.Shutdown] may
// be called from any goroutine. The Service is called from one goroutine for each
// connection, at most [Options.ConnectionsMax] at once.
//
// # Bounds
//
//	name (user ID, segment title)   128 bytes
//	record of a bulk body           4,096 bytes
//	bulk body in memory             512 KiB and 4,096 records, for each of at most 128 requests
//	nesting inside a JSON array     16
//	request header                  8 KiB
//	version                         64 shards
//	forecast                        1,000 points
//	overlap                         8 segments; how many at once is the Service's bound
//	bodies, connections, times      Options
//
// # Failures of a write
//
//	503  nothing of the request was applied; repeat it after Retry-After seconds
//	504  outcome unknown, or a bulk body that was applied in part; repeat the whole
//	500  a bug; outcome unknown
//	4xx  refused. The records of a bulk body before the fault were applied, and
//	     the problem document counts them
//
// # Tokens
//
// There is no authentication yet. [Options.Middleware] is its place: it wraps every
// route, inside the metrics and the panic recovery, before a byte of the body is read.
// With one there are no fronts.
package api
