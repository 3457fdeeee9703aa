# The bucket, and the rights of the Kubernetes accounts on it by Workload Identity Federation for GKE: no keys, no Google service accounts.
# Checked by eye only: it has not been applied.

terraform {
  required_version = ">= 1.6"
  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "~> 6.0"
    }
  }
}

variable "project_id" {
  type        = string
  description = "The project of the bucket and of the cluster."
}

variable "project_number" {
  type        = string
  description = "The same project's number."
}

variable "bucket" {
  type        = string
  description = "The bucket's name: the one of storageUrl in the overlay's settings.yaml and pod.json."
}

variable "location" {
  type        = string
  description = "Region of the cluster, so that traffic stays inside it."
}

resource "google_storage_bucket" "artifacts" {
  project                     = var.project_id
  name                        = var.bucket
  location                    = var.location
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"

  # Objects are written once under their name; what is deleted by mistake can be had back for a week.
  soft_delete_policy {
    retention_duration_seconds = 604800
  }
}

locals {
  principals = "principal://iam.googleapis.com/projects/${var.project_number}/locations/global/workloadIdentityPools/${var.project_id}.svc.id.goog/subject/ns"
  readers    = ["plane/sa/status", "plane/sa/result"]
  # Objects are made under names that must not exist yet, and read back. No right to delete or replace.
  creators = ["runs/sa/attempt", "plane/sa/submit", "plane/sa/job-launcher", "plane/sa/collector"]
  # The reconciler records as the collector does, and deletes what is older than the retention.
  owners = ["plane/sa/reconciler"]
}

resource "google_storage_bucket_iam_member" "readers" {
  for_each = toset(concat(local.readers, local.creators))
  bucket   = google_storage_bucket.artifacts.name
  role     = "roles/storage.objectViewer"
  member   = "${local.principals}/${each.value}"
}

resource "google_storage_bucket_iam_member" "creators" {
  for_each = toset(local.creators)
  bucket   = google_storage_bucket.artifacts.name
  role     = "roles/storage.objectCreator"
  member   = "${local.principals}/${each.value}"
}

resource "google_storage_bucket_iam_member" "owners" {
  for_each = toset(local.owners)
  bucket   = google_storage_bucket.artifacts.name
  role     = "roles/storage.objectUser"
  member   = "${local.principals}/${each.value}"
}

output "storage_url" {
  value = "gs://${google_storage_bucket.artifacts.name}"
}
