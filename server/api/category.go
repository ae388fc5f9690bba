package api

// Categories are all categories.
func Categories() []Category {
	return []Category{
		CategoryApp, CategoryOOM, CategoryEvicted, CategoryPreempted, CategoryNodeLost, CategoryDeadline, CategoryImagePull,
		CategoryConfig, CategoryUnschedulable, CategoryQuota, CategoryInvalid, CategoryTemplate, CategoryDeleted,
		CategoryCancelled, CategoryUnknown,
	}
}
