package wire

import (
	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/store"
)

// DeletedItems converts deleted objects. keep says for how long they can be restored.
func DeletedItems(items []store.DeletedItem, keep store.Retention) []api.DeletedItem {
	return Each(items, func(item store.DeletedItem) api.DeletedItem {
		return api.DeletedItem{
			Deletion:        item.Deletion,
			Kind:            api.DeletedKind(item.Kind),
			Name:            item.Name,
			Pool:            OrNil(item.Pool),
			DeletedAt:       Time(item.DeletedAt),
			DeletedBy:       item.DeletedBy,
			RestorableUntil: TimePtr(keep.RestorableUntil(item.DeletedAt)),
		}
	})
}

// Deletion converts what a request deleted.
func Deletion(d store.Deletion, keep store.Retention) api.Deletion {
	converted := api.Deletion{Items: DeletedItems(d.Items, keep)}
	if d.ID != uuid.Nil {
		converted.ID = &d.ID
		converted.RestorableUntil = TimePtr(keep.RestorableUntil(d.Items[0].DeletedAt))
	}
	return converted
}
