// libpq, the PostgreSQL client library: imported by the Postgres target only.
//
// Its functions are defined here, under their own names, and call the real ones, which are loaded
// at the first of them. libpq brings two dozen libraries along (Kerberos, LDAP, SASL, GnuTLS), whose
// loading takes longer than fetching a WAL segment: a command that connects to no server must not
// pay for them.
#ifndef PGKEEP_CPOSTGRES_H
#define PGKEEP_CPOSTGRES_H

// Where the distributions put the header. No flag says so, for the flags of pkg-config would also
// link the library.
#if __has_include(<libpq-fe.h>)
#include <libpq-fe.h>
#elif __has_include(<postgresql/libpq-fe.h>)
#include <postgresql/libpq-fe.h>
#else
#error "libpq-fe.h is missing: install the development package of libpq (libpq-dev)"
#endif

// Loads libpq unless it is there. NULL when it is, else why not. Any thread may call it, and
// somebody must before any other function of libpq: those end the process without it.
const char *pgkeep_libpq_load(void);

#endif
