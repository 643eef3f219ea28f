// libpq, the PostgreSQL client library: imported by the Postgres target only.
#include <libpq-fe.h>
