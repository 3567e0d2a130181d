{{/* Whether the Job makes kms-secrets: where it is told, or makes itself, how Postgres is reached. */}}
{{- define "kms.bootstrap.makesSecrets" -}}
{{- $make := $.Values.kms.autoBootstrap.makeSecrets -}}
{{- if and $make.enabled (or $make.database (ne $.Values.postgres.mode "external")) -}}true{{- end -}}
{{- end -}}

{{/* Secrets of KMS itself that the Job may read and write. */}}
{{- define "kms.bootstrap.secretNames" -}}
{{- $names := list -}}
{{- if include "kms.bootstrap.makesSecrets" $ -}}
{{- $names = append $names $.Values.existingSecret -}}
{{- if eq $.Values.postgres.mode "bundled" -}}{{- $names = append $names "kms-postgres-auth" -}}{{- end -}}
{{- if eq $.Values.redis.mode "bundled" -}}{{- $names = append $names "kms-redis-auth" -}}{{- end -}}
{{- end -}}
{{- if $.Values.kms.autoBootstrap.additionalOrganizationsTokenSecretKey -}}
{{- $names = append $names $.Values.kms.autoBootstrap.secretDestination.name -}}
{{- end -}}
{{- with $names | uniq | sortAlpha -}}{{ toYaml . }}{{- end -}}
{{- end -}}

{{/* What `kms-bootstrap provision` is told: names alone, no value. */}}
{{- define "kms.bootstrap.arguments" -}}
{{- $boot := $.Values.kms.autoBootstrap -}}
{{- $args := list "--namespace" $.Release.Namespace "--secret-name" $.Values.existingSecret -}}
{{- if include "kms.bootstrap.makesSecrets" $ -}}
{{- $args = append $args "--make-secrets" -}}
{{- if eq $.Values.postgres.mode "bundled" -}}{{- $args = append $args "--bundled-postgres" -}}{{- end -}}
{{- if eq $.Values.redis.mode "bundled" -}}{{- $args = append $args "--bundled-redis" -}}{{- end -}}
{{- end -}}
{{- if $boot.inventory -}}{{- $args = concat $args (list "--file" "/etc/kms-bootstrap/kms.yaml") -}}{{- end -}}
{{- range $boot.additionalOrganizations -}}{{- $args = concat $args (list "--organization" .) -}}{{- end -}}
{{- range $boot.additionalOrganizationAdminEmails -}}{{- $args = concat $args (list "--admin-email" (lower .)) -}}{{- end -}}
{{- range $.Values.services -}}
{{- $organization := "" -}}
{{- with .organization -}}{{- $organization = printf "%s/" . -}}{{- end -}}
{{- $identity := .identity | default (printf "%s-service" .name) -}}
{{- $where := .namespace | default $.Release.Namespace -}}
{{- $args = concat $args (list "--mint" (printf "%s%s=%s/%s-kms-auth%s" $organization $identity $where .name (.renewal | default false | ternary ",renewable" ""))) -}}
{{- end -}}
{{- with $boot.additionalOrganizationsTokenSecretKey -}}
{{- $args = concat $args (list "--token-secret" (printf "%s/%s" $boot.secretDestination.name .)) -}}
{{- end -}}
{{- /* Those that come with the next release cannot be in sync in this one. */ -}}
{{- if and $boot.waitForSync (include "kms.services.areServed" $) -}}
{{- range $.Values.services -}}
{{- $args = concat $args (list "--wait" (printf "%s/%s-kms-sync" (.namespace | default $.Release.Namespace) .name)) -}}
{{- end -}}
{{- end -}}
{{- range $args }}
- {{ . | quote }}
{{- end }}
{{- end -}}

{{- define "kms.bootstrap.environment" -}}
- name: POD_NAME
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
- name: KMS_URL
  value: {{ include "kms.url" $ | quote }}
{{- if $.Values.tls.enabled }}
- name: NODE_EXTRA_CA_CERTS
  value: /etc/kms-ca/ca.crt
{{- end }}
{{- $make := $.Values.kms.autoBootstrap.makeSecrets }}
{{- if not (include "kms.bootstrap.makesSecrets" $) }}
{{ include "kms.bootstrap.from" (dict "name" "AUTH_SECRET" "secret" $.Values.existingSecret "key" "AUTH_SECRET") }}
{{- else }}
{{- if ne $.Values.postgres.mode "bundled" }}
{{- $written := dict "secretName" "kms-postgres-app" "key" "uri" }}
{{- $database := $make.database | default $written }}
{{ include "kms.bootstrap.from" (dict "name" "DB_CONNECTION_URI" "secret" $database.secretName "key" $database.key) }}
{{- end }}
{{- if and $make.redis (eq $.Values.redis.mode "external") }}
{{ include "kms.bootstrap.from" (dict "name" "REDIS_URL" "secret" $make.redis.secretName "key" $make.redis.key) }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "kms.bootstrap.from" -}}
- name: {{ $.name }}
  valueFrom:
    secretKeyRef:
      name: {{ $.secret | quote }}
      key: {{ $.key | quote }}
{{- end -}}

{{/* What the services name, by namespace. */}}
{{- define "kms.bootstrap.services" -}}
{{- $namespaces := list -}}
{{- range $.Values.services -}}{{- $namespaces = append $namespaces (.namespace | default $.Release.Namespace) -}}{{- end -}}
{{- range $where := $namespaces | uniq }}
{{- $names := list -}}
{{- range $.Values.services -}}
{{- if eq $where (.namespace | default $.Release.Namespace) -}}{{- $names = append $names .name -}}{{- end -}}
{{- end }}
{{ $where | quote }}:
  credentials:
  {{- $credentials := list }}{{ $kmsSecrets := list }}
  {{- range $names }}{{ $credentials = append $credentials (printf "%s-kms-auth" .) }}{{ $kmsSecrets = append $kmsSecrets (printf "%s-kms-sync" .) }}{{ end }}
  {{- $credentials | uniq | sortAlpha | toYaml | nindent 4 }}
  kmsSecrets:
  {{- $kmsSecrets | uniq | sortAlpha | toYaml | nindent 4 }}
{{- end }}
{{- end -}}

{{- define "kms.bootstrap.hasVolumes" -}}
{{- if or $.Values.kms.autoBootstrap.inventory $.Values.tls.enabled -}}true{{- end -}}
{{- end -}}

{{/* Each revision of a release runs it: an upgrade puts right what was lost. */}}
{{- define "kms.bootstrap.rerun" -}}
{{ $.Values.kms.autoBootstrap.rerun | default (printf "revision %d" $.Release.Revision) }}
{{- end -}}

{{/* These are immutable: another content is another object. */}}
{{- define "kms.bootstrap.inventoryName" -}}
kms-bootstrap-inventory-{{ $.Values.kms.autoBootstrap.inventory | sha256sum | trunc 10 }}
{{- end -}}

{{- define "kms.bootstrap.name" -}}
kms-bootstrap-{{ include "kms.bootstrap.spec" $ | fromYaml | toJson | sha256sum | trunc 10 }}
{{- end -}}
