package problem

import (
	"net/http"

	"github.com/berth-dev/berth/server/store"
)

type meaning struct {
	status int
	title  string
}

// meanings is the one place that maps codes to HTTP statuses.
func meanings(code Code) meaning {
	switch code {
	case Unauthenticated:
		return meaning{http.StatusUnauthorized, "An API key is needed"}
	case Forbidden:
		return meaning{http.StatusForbidden, "This API key may not do that"}
	case HostRefused:
		return meaning{http.StatusForbidden, "This host name is not served"}
	case OriginRefused:
		return meaning{http.StatusForbidden, "Requests from another site are refused"}
	case MethodNotAllowed:
		return meaning{http.StatusMethodNotAllowed, "The method is not allowed here"}
	case InvalidJSON:
		return meaning{http.StatusBadRequest, "The body is not valid JSON"}
	case InvalidBody:
		return meaning{http.StatusBadRequest, "The body does not have the right form"}
	case InvalidParameter:
		return meaning{http.StatusBadRequest, "A parameter of the request is not valid"}
	case BodyTooLarge:
		return meaning{http.StatusRequestEntityTooLarge, "The body is too large"}
	case UnsupportedMedia:
		return meaning{http.StatusUnsupportedMediaType, "The body must be JSON"}
	case TemplateInvalid:
		return meaning{http.StatusUnprocessableEntity, "The base job template is not valid"}
	case VariablesInvalid:
		return meaning{http.StatusUnprocessableEntity, "The job variables are not valid"}
	case ParametersInvalid:
		return meaning{http.StatusUnprocessableEntity, "The parameters are not valid"}
	case ApplyInvalid:
		return meaning{http.StatusUnprocessableEntity, "What is described can not be applied"}
	case Frozen:
		return meaning{http.StatusUnprocessableEntity, "A frozen value may not be overridden"}
	case PlanChanged:
		return meaning{http.StatusConflict, "The plan is out of date"}
	case TemplateBreaks:
		return meaning{http.StatusConflict, "The template breaks deployments that work now"}
	case ProtocolUnsupported:
		return meaning{http.StatusBadRequest, "The worker speaks a protocol that this server does not"}
	case RateLimited:
		return meaning{http.StatusTooManyRequests, "Too many requests from this API key"}
	case Unavailable:
		return meaning{http.StatusServiceUnavailable, "The server can not do this now"}
	}
	return storeMeaning(store.Code(code))
}

func storeMeaning(code store.Code) meaning {
	switch code {
	case store.NotFound:
		return meaning{http.StatusNotFound, "There is no such thing"}
	case store.AlreadyExists:
		return meaning{http.StatusConflict, "It exists already"}
	case store.Conflict:
		return meaning{http.StatusConflict, "This does not go together with what is there"}
	case store.PreconditionFailed:
		return meaning{http.StatusPreconditionFailed, "It has changed in the meantime"}
	case store.IdempotencyMismatch:
		return meaning{http.StatusConflict, "This idempotency key was used for another request"}
	case store.PoolHasLiveRuns:
		return meaning{http.StatusConflict, "The pool has runs that have not finished"}
	case store.DeploymentHasLiveRuns:
		return meaning{http.StatusConflict, "The deployment has runs that have not finished"}
	case store.RevisionChanged:
		return meaning{http.StatusConflict, "The deployment has changed in the meantime"}
	case store.RunFinished:
		return meaning{http.StatusConflict, "The run has finished"}
	case store.RunNotFinished:
		return meaning{http.StatusConflict, "The run has not finished"}
	case store.LeaseHeld:
		return meaning{http.StatusConflict, "A worker holds the run"}
	case store.InvalidCursor:
		return meaning{http.StatusBadRequest, "The cursor is not valid"}
	}
	return meaning{http.StatusInternalServerError, "Something went wrong on the server"}
}
