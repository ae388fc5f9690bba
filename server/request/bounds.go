package request

// Bounds of bodies, in bytes. Each is several times what a client of Berth sends.
const (
	// MaxBody bounds the bodies of most operations.
	MaxBody = 256 << 10
	// MaxBulkBody bounds the bodies that hold many runs.
	MaxBulkBody = 1 << 20
	// MaxDocumentBody bounds deployment files and templates.
	MaxDocumentBody = 4 << 20
	// MaxOutputBody bounds output and reports of workers: JSON writes a control character in six bytes.
	MaxOutputBody = 8 << 20
)

// bounds are what a body may cost before its content is looked at.
type bounds struct {
	bytes int64
	// values bounds the JSON values that are kept in memory: the shortest takes two bytes in the body and
	// hundreds of bytes decoded.
	values int
}

// boundsOf returns the bounds of the body of an operation.
func boundsOf(operation string) bounds {
	switch operation {
	case "Apply", "CreateWorkPool", "SetTemplate", "LintTemplate", "PreviewTemplate", "DiffTemplate",
		"ImpactTemplate", "CheckTemplate":
		return bounds{MaxDocumentBody, 200_000}
	case "CreateRun": // its values may have 256 and 64 KiB; what is larger is refused with its place
		return bounds{MaxBulkBody, 20_000}
	case "CreateRuns":
		return bounds{MaxBulkBody, 50_000}
	case "AppendLogs", "ReportAttempts":
		return bounds{MaxOutputBody, 50_000}
	case "ClaimRuns", "RenewLeases", "LookUpAttempts": // 20,000 leases
		return bounds{MaxDocumentBody, 150_000}
	}
	return bounds{MaxBody, 20_000}
}

const (
	// maxDepth bounds nesting, so that recursive code cannot exhaust the stack.
	maxDepth = 200
	// maxKey bounds the keys of objects, in bytes: pointers are made of them.
	maxKey = 1000
	// maxFindings bounds the findings in one response.
	maxFindings = 100
	// maxDetailed bounds the values of a body of which every problem is reported. Of a larger body only the
	// first problem is.
	maxDetailed = 20_000
)
