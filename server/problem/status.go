package problem

import (
	"net/http"

	"github.com/berth-dev/berth/server/store"
)

// meaning is what a code means in HTTP.
type meaning struct {
	status int
	title  string
}

// meaningOf is the one place that maps codes to HTTP statuses.
func meaningOf(code Code) meaning {
	switch code {
	case Unauthenticated:
		return meaning{http.StatusUnauthorized, "An API key is required"}
	case Forbidden:
		return meaning{http.StatusForbidden, "The API key does not permit this"}
	case HostRefused:
		return meaning{http.StatusForbidden, "The host name is not allowed"}
	case OriginRefused:
		return meaning{http.StatusForbidden, "Cross-site requests are not allowed"}
	case MethodNotAllowed:
		return meaning{http.StatusMethodNotAllowed, "The method is not allowed"}
	case InvalidJSON:
		return meaning{http.StatusBadRequest, "The body is not valid JSON"}
	case InvalidBody:
		return meaning{http.StatusBadRequest, "The body does not match the API schema"}
	case InvalidParameter:
		return meaning{http.StatusBadRequest, "A request parameter is not valid"}
	case BodyTooLarge:
		return meaning{http.StatusRequestEntityTooLarge, "The body is too large"}
	case BodyTooSlow:
		return meaning{http.StatusRequestTimeout, "The body arrived too slowly"}
	case UnsupportedMedia:
		return meaning{http.StatusUnsupportedMediaType, "The body must be JSON"}
	case TemplateInvalid:
		return meaning{http.StatusUnprocessableEntity, "The base job template is not valid"}
	case VariablesInvalid:
		return meaning{http.StatusUnprocessableEntity, "The job variables are not valid"}
	case ParametersInvalid:
		return meaning{http.StatusUnprocessableEntity, "The parameters are not valid"}
	case ApplyInvalid:
		return meaning{http.StatusUnprocessableEntity, "The deployment file cannot be applied"}
	case Frozen:
		return meaning{http.StatusUnprocessableEntity, "A frozen value cannot be overridden"}
	case RuleInvalid:
		return meaning{http.StatusUnprocessableEntity, "The rule is not valid"}
	case RuleDenied:
		return meaning{http.StatusUnprocessableEntity, "A rule refuses this"}
	case PlanChanged:
		return meaning{http.StatusConflict, "The plan is out of date"}
	case ApprovalRequired:
		return meaning{http.StatusConflict, "The change needs an approval"}
	case TemplateBreaks:
		return meaning{http.StatusConflict, "The template breaks working deployments"}
	case ProtocolUnsupported:
		return meaning{http.StatusBadRequest, "The worker protocol version is not supported"}
	case RateLimited:
		return meaning{http.StatusTooManyRequests, "Too many requests from this API key"}
	case SignInFailed:
		return meaning{http.StatusForbidden, "The sign-in failed"}
	case ProviderUnavailable:
		return meaning{http.StatusServiceUnavailable, "The sign-in provider is not available"}
	case TrustRuleInvalid:
		return meaning{http.StatusUnprocessableEntity, "The trust rule is not valid"}
	case TokenRefused:
		return meaning{http.StatusForbidden, "The token is not accepted"}
	case WebhookInvalid:
		return meaning{http.StatusUnprocessableEntity, "The webhook is not valid"}
	case WebhooksOff:
		return meaning{http.StatusConflict, "Webhooks are off"}
	case IssuerUnavailable:
		return meaning{http.StatusServiceUnavailable, "The issuer of the token is not available"}
	case Unavailable:
		return meaning{http.StatusServiceUnavailable, "The server is temporarily unavailable"}
	}
	return storeMeaning(store.Code(code))
}

func storeMeaning(code store.Code) meaning {
	switch code {
	case store.NotFound:
		return meaning{http.StatusNotFound, "Not found"}
	case store.ArchiveUnavailable:
		return meaning{http.StatusServiceUnavailable, "The output archive is not available"}
	case store.AlreadyExists:
		return meaning{http.StatusConflict, "Already exists"}
	case store.Conflict:
		return meaning{http.StatusConflict, "The request conflicts with the current state"}
	case store.PreconditionFailed:
		return meaning{http.StatusPreconditionFailed, "The resource has changed"}
	case store.IdempotencyMismatch:
		return meaning{http.StatusConflict, "The idempotency key was used for a different request"}
	case store.AudienceNotGranted:
		return meaning{http.StatusForbidden, "The work pool does not grant this audience"}
	case store.TokenUsed:
		return meaning{http.StatusForbidden, "The token was used before"}
	case store.TooManyKeys:
		return meaning{http.StatusTooManyRequests, "The trust rule has too many valid keys"}
	case store.PoolInUse:
		return meaning{http.StatusConflict, "The work pool has deployments"}
	case store.QueueInUse:
		return meaning{http.StatusConflict, "The queue is in use"}
	case store.VariableInUse:
		return meaning{http.StatusConflict, "The variable is in use"}
	case store.PoolHasLiveRuns:
		return meaning{http.StatusConflict, "The pool has runs that have not finished"}
	case store.DeploymentHasLiveRuns:
		return meaning{http.StatusConflict, "The deployment has runs that have not finished"}
	case store.RevisionChanged:
		return meaning{http.StatusConflict, "The deployment has changed"}
	case store.RunFinished:
		return meaning{http.StatusConflict, "The run has already finished"}
	case store.RunNotFinished:
		return meaning{http.StatusConflict, "The run has not finished"}
	case store.RunAmbiguous:
		return meaning{http.StatusConflict, "More than one run is meant"}
	case store.NoCompletedRun:
		return meaning{http.StatusConflict, "No run has completed before"}
	case store.SessionUnknown:
		return meaning{http.StatusNotFound, "The worker has to say hello"}
	case store.LeaseHeld:
		return meaning{http.StatusConflict, "A worker holds the lease of the run"}
	case store.StorageFull:
		return meaning{http.StatusServiceUnavailable, "The disk of the database is full"}
	case store.QueryTimeout:
		return meaning{http.StatusServiceUnavailable, "The query takes too long"}
	case store.ListTooLong:
		return meaning{http.StatusBadRequest, "The list is too long to be sorted"}
	case store.InvalidCursor:
		return meaning{http.StatusBadRequest, "The cursor is not valid"}
	}
	return meaning{http.StatusInternalServerError, "Internal server error"}
}
