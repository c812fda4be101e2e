"""Who may use which route, written by hand. A role may do what is listed for it and for those before it; but
what is listed for technicians only operators and administrators may do, too.

`OPEN` needs nobody we know: each line says after `#` what it asks for instead.
"""

OPEN = """
GET /healthz                                            # whether the controller is well, of nobody anything
GET /api/v1/openapi.json                                # what the API is
PUT /api/v1/units/{unit}/picture                        # the unit's own certificate and upload token
PUT /api/v1/units/{unit}/room-picture
GET /enrol/v1/roots                                     # a unit without certificate: proof of its key
POST /enrol/v1/requests
POST /enrol/v1/requests/{request_id}/reveal
POST /enrol/v1/requests/{request_id}/status
POST /enrol/v1/challenge
POST /enrol/v1/identity
GET /live                                               # a log-in, or the link of a hall or a chair
GET /login                                              # name and password
POST /login
POST /logout
GET /openid/start                                       # the other system's log-in, where it is set up
GET /openid/back                                        # what that gave the same browser
GET /enter/{secret}                                     # a link that works once
POST /enter/{secret}
GET /chair/{meeting}/{token}                            # the chair's link: floor of this meeting only
GET /chair/{meeting}/{token}/now
GET /chair/{meeting}/{token}/halls
POST /chair/{meeting}/{token}/floor
GET /h/{meeting}/{site}/{token}                         # the hall's link: this hall in this meeting only
GET /h/{meeting}/{site}/{token}/now
GET /h/{meeting}/{site}/{token}/people
GET /h/{meeting}/{site}/{token}/people/{person}
POST /h/{meeting}/{site}/{token}/hand
POST /h/{meeting}/{site}/{token}/hears
POST /h/{meeting}/{site}/{token}/answer
POST /h/{meeting}/{site}/{token}/check
POST /h/{meeting}/{site}/{token}/trouble
POST /h/{meeting}/{site}/{token}/people
POST /h/{meeting}/{site}/{token}/people/{person}
"""

CONTRACTOR = """
GET /api/v1/units/{unit}/thumbnail
GET /api/v1/me
POST /api/v1/me/password
DELETE /api/v1/me/sessions
GET /api/v1/sites
GET /api/v1/sites/{site}
GET /api/v1/sites/{site}/checks
GET /api/v1/units
GET /api/v1/units/{unit}
GET /api/v1/units/{unit}/picture
GET /api/v1/incidents
GET /api/v1/incidents/{incident}
GET /api/v1/incidents/{incident}/files/{number}
POST /api/v1/incidents/{incident}/notes
POST /api/v1/incidents/{incident}/files
GET /
GET /fragments/board
GET /kept
GET /account
POST /account/password
POST /account/language
POST /account/sessions
GET /account/keys/new
POST /account/keys/options
POST /account/keys
POST /account/keys/{key}/remove
POST /account/openid
GET /second-factor
POST /second-factor/options
POST /second-factor
GET /incidents
GET /incidents/part
GET /incidents/table.csv
GET /incidents/{incident}
GET /incidents/{incident}/part
GET /incidents/{incident}/files/{number}
POST /incidents/{incident}/entries
GET /sites/{site}
GET /sites/{site}/part
GET /sites/{site}/notice.png
GET /units/{unit}
"""

TECHNICIAN = """
POST /api/v1/enrolments/look
POST /api/v1/enrolments/approve
GET /api/v1/work-orders
GET /e
POST /e
GET /e/site
GET /e/site/{site}
POST /e/site/{site}
GET /e/follow/{enrolment}
GET /e/follow/{enrolment}/part
"""

VIEWER = """
GET /api/v1/board
GET /schedule
GET /schedule/list
GET /schedule/week
GET /schedule/{meeting}
GET /schedule/{meeting}/documents/{attachment}
GET /api/v1/areas
GET /api/v1/groups
GET /api/v1/groups/{group}
GET /api/v1/sites/export
GET /api/v1/meetings
GET /api/v1/meetings/{meeting}
GET /api/v1/meetings/{meeting}/announcement
GET /api/v1/meetings/{meeting}/attachments
GET /api/v1/meetings/{meeting}/attachments/{attachment}
GET /api/v1/meetings/{meeting}/floor
GET /api/v1/meetings/{meeting}/halls/{site}
GET /api/v1/meetings/{meeting}/hands
GET /api/v1/meetings/{meeting}/attendees
GET /api/v1/meetings/{meeting}/report
GET /api/v1/reports
GET /api/v1/reports/sites
GET /api/v1/urgent/{meeting}
GET /api/v1/events
GET /api/v1/stream
GET /meetings/{meeting}
GET /meetings/{meeting}/now
GET /meetings/{meeting}/halls
GET /urgent/{meeting}
GET /urgent/{meeting}/now
GET /reports
GET /reports/sites
GET /reports/sites.csv
GET /reports/{meeting}
GET /meetings/{meeting}/report
GET /meetings/{meeting}/report.csv
GET /sites
GET /sites/export
GET /sites/template
GET /sites/groups
GET /faults
GET /faults/table.csv
GET /api/v1/faults
GET /api/v1/notices
GET /sites/groups/{group}
"""

SECRETARY = """
GET /meetings/new
POST /meetings/new
POST /meetings/invited
GET /meetings/{meeting}/edit
POST /meetings/{meeting}/edit
POST /schedule/{meeting}/cancel
POST /schedule/{meeting}/dates/{date}/{verb}
POST /schedule/{meeting}/documents
POST /schedule/{meeting}/documents/{attachment}/remove
POST /api/v1/meetings
POST /api/v1/meetings/invited
PATCH /api/v1/meetings/{meeting}
DELETE /api/v1/meetings/{meeting}
POST /api/v1/meetings/{meeting}/skip
POST /api/v1/meetings/{meeting}/move
POST /api/v1/meetings/{meeting}/restore
POST /api/v1/meetings/{meeting}/close
POST /api/v1/meetings/{meeting}/extend
POST /api/v1/meetings/{meeting}/floor
GET /api/v1/meetings/{meeting}/join-info
GET /api/v1/meetings/{meeting}/chair-link
POST /api/v1/meetings/{meeting}/chair-link
GET /api/v1/meetings/{meeting}/halls/{site}/link
POST /api/v1/meetings/{meeting}/halls/{site}/hears
POST /api/v1/meetings/{meeting}/hands
DELETE /api/v1/meetings/{meeting}/hands/{site}
POST /api/v1/meetings/{meeting}/attachments
DELETE /api/v1/meetings/{meeting}/attachments/{attachment}
POST /api/v1/meetings/{meeting}/attendees
PATCH /api/v1/attendees/{attendee}
DELETE /api/v1/attendees/{attendee}
PUT /api/v1/meetings/{meeting}/notes/{site}
GET /api/v1/urgent
POST /api/v1/urgent
POST /api/v1/urgent/{meeting}/answers
POST /api/v1/incidents
POST /meetings/{meeting}/floor
POST /meetings/{meeting}/extend
GET /meetings/{meeting}/close
POST /meetings/{meeting}/close
GET /meetings/{meeting}/chair-link
POST /meetings/{meeting}/chair-link
GET /meetings/{meeting}/report/{site}
POST /meetings/{meeting}/report/{site}/people
POST /meetings/{meeting}/report/{site}/people/{person}
POST /meetings/{meeting}/report/{site}/people/{person}/remove
POST /meetings/{meeting}/report/{site}/note
GET /urgent
POST /urgent
POST /urgent/{meeting}/answers
GET /incidents/new
POST /incidents/new
"""

OPERATOR = """
GET /api/v1/rollouts
GET /api/v1/rollouts/{rollout}
GET /api/v1/rollouts/{rollout}/units
GET /api/v1/rollouts/{rollout}/units/{unit}/tasks
GET /api/v1/freezes
GET /api/v1/inventory
GET /rollouts
GET /rollouts/{rollout}
GET /rollouts/{rollout}/part
GET /rollouts/{rollout}/units/{unit}
POST /api/v1/sites
PATCH /api/v1/sites/{site}
DELETE /api/v1/sites/{site}
POST /api/v1/groups
PATCH /api/v1/groups/{group}
DELETE /api/v1/groups/{group}
POST /api/v1/units
POST /api/v1/units/{unit}/commands
POST /api/v1/units/{unit}/revoke
GET /api/v1/enrolments
POST /api/v1/enrolments/{enrolment}/refuse
GET /api/v1/clones
POST /api/v1/clones/{number}/decide
GET /api/v1/releases
GET /api/v1/vouchers
POST /api/v1/vouchers
DELETE /api/v1/vouchers/{voucher}
POST /api/v1/work-orders
POST /api/v1/work-orders/{order}/close
PUT /api/v1/incidents/{incident}/assignee
POST /api/v1/incidents/{incident}/close
POST /api/v1/incidents/{incident}/reopen
POST /board/check
GET /enrolments
GET /enrolments/part
POST /enrolments/{enrolment}/refuse
POST /enrolments/later/{unit}
GET /work-orders
POST /work-orders
POST /work-orders/{order}/close
GET /vouchers
POST /vouchers
POST /vouchers/{voucher}/withdraw
POST /units/{unit}/revoke
POST /units/{unit}/clones/{number}
POST /incidents/{incident}/assign
POST /incidents/{incident}/close
POST /incidents/{incident}/reopen
GET /sites/new
POST /sites/new
GET /sites/area-names
GET /sites/{site}/edit
POST /sites/{site}/edit
GET /sites/{site}/devices
GET /sites/{site}/devices/part
POST /sites/{site}/devices
POST /sites/{site}/ask
GET /api/v1/units/{unit}/room-picture
GET /api/v1/later-bindings
POST /api/v1/later-bindings/{unit}
GET /sites/{site}/remove
POST /sites/{site}/remove
POST /sites/groups
POST /sites/groups/{group}
POST /sites/groups/{group}/remove
"""

ADMINISTRATOR = """
POST /api/v1/rollouts
POST /api/v1/rollouts/{rollout}/steer
POST /api/v1/rollouts/{rollout}/units/{unit}/retry
POST /api/v1/freezes
DELETE /api/v1/freezes/{number}
PUT /api/v1/sites/{site}/ring
POST /rollouts
POST /rollouts/freezes
POST /rollouts/freezes/{number}/remove
POST /rollouts/rings
POST /rollouts/{rollout}/steer
POST /rollouts/{rollout}/units/{unit}/retry
POST /enrolments/alarms/{number}/lift
POST /schedule/{meeting}/gate
POST /api/v1/sites/import
POST /api/v1/enrolments/alarms/{number}/lift
POST /api/v1/units/{unit}/reach
POST /api/v1/sites/{site}/restore
POST /api/v1/areas
PATCH /api/v1/areas/{area}
DELETE /api/v1/areas/{area}
POST /api/v1/meetings/{meeting}/gate
GET /api/v1/users
POST /api/v1/users
GET /api/v1/users/{name}
PATCH /api/v1/users/{name}
POST /api/v1/users/{name}/token
POST /api/v1/users/{name}/link
DELETE /api/v1/users/{name}/sessions
DELETE /api/v1/users/{name}/keys
POST /api/v1/releases/{version}/offer
POST /api/v1/releases/{version}/withdraw
GET /api/v1/audit
GET /users
GET /users/new
POST /users/new
GET /users/{name}
POST /users/{name}
POST /users/{name}/link
POST /users/{name}/token
POST /users/{name}/sessions
POST /users/{name}/keys
POST /users/{name}/disabled
GET /audit
GET /sites/areas
POST /sites/areas
GET /sites/areas/{area}
POST /sites/areas/{area}
POST /sites/areas/{area}/remove
GET /sites/import
POST /sites/import
GET /sites/import/{table}
POST /sites/import/{table}
POST /sites/import/{table}/drop
POST /sites/{site}/restore
"""
