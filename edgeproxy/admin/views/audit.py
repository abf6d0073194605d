"""The page of the audit log."""

from edgeproxy.admin.api.changes import ChangesQuery, list_changes
from edgeproxy.admin.pages import Page

PAGES = (
    Page(
        path="/audit",
        title="Audit log",
        template="audit.html",
        load=list_changes,
        query=ChangesQuery,
        twin="/v1/admin/changes",
    ),
)
