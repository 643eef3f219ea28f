// See cpostgres.h. The signatures are those of libpq-fe.h, which the compiler compares them with.
#include "cpostgres.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

// The interface's version: unchanged since PostgreSQL 8.2.
#define LIBRARY "libpq.so.5"

static void *library;
static char failure[256];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void load(void) {
    library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        const char *reason = dlerror();
        snprintf(failure, sizeof failure, "%s", reason != NULL ? reason : "no reason is given");
    }
}

const char *pgkeep_libpq_load(void) {
    pthread_once(&once, load);
    return library != NULL ? NULL : failure;
}

static void *find(const char *name) {
    void *found = pgkeep_libpq_load() == NULL ? dlsym(library, name) : NULL;
    if (found == NULL) {
        fprintf(stderr, "pgkeep: %s of %s cannot be called: %s\n", name, LIBRARY, failure);
        abort();
    }
    return found;
}

// Looked up at each function's first call; two threads that meet there find the same.
#define FORWARD(RESULT, NAME, PARAMETERS, ARGUMENTS)                   \
    RESULT NAME PARAMETERS {                                           \
        static _Atomic(void *) cached;                                 \
        void *called = cached;                                         \
        if (called == NULL) cached = called = find(#NAME);             \
        return ((RESULT(*) PARAMETERS)called)ARGUMENTS;                \
    }

// The same for functions that give nothing back.
#define FORWARD_VOID(NAME, PARAMETERS, ARGUMENTS)                      \
    void NAME PARAMETERS {                                             \
        static _Atomic(void *) cached;                                 \
        void *called = cached;                                         \
        if (called == NULL) cached = called = find(#NAME);             \
        ((void (*) PARAMETERS)called)ARGUMENTS;                        \
    }

FORWARD(int, PQcancel, (PGcancel *cancel, char *text, int size), (cancel, text, size))
FORWARD_VOID(PQclear, (PGresult *result), (result))
FORWARD(char *, PQcmdStatus, (PGresult *result), (result))
FORWARD(PQconninfoOption *, PQconndefaults, (void), ())
FORWARD(PGconn *, PQconnectdbParams,
        (const char *const *keys, const char *const *values, int expand), (keys, values, expand))
FORWARD(PostgresPollingStatusType, PQconnectPoll, (PGconn *connection), (connection))
FORWARD(PGconn *, PQconnectStartParams,
        (const char *const *keys, const char *const *values, int expand), (keys, values, expand))
FORWARD_VOID(PQconninfoFree, (PQconninfoOption *options), (options))
FORWARD(PQconninfoOption *, PQconninfoParse, (const char *text, char **error), (text, error))
FORWARD(int, PQconsumeInput, (PGconn *connection), (connection))
FORWARD(char *, PQerrorMessage, (const PGconn *connection), (connection))
FORWARD_VOID(PQfinish, (PGconn *connection), (connection))
FORWARD(int, PQflush, (PGconn *connection), (connection))
FORWARD(char *, PQfname, (const PGresult *result, int field), (result, field))
FORWARD(Oid, PQftype, (const PGresult *result, int field), (result, field))
FORWARD_VOID(PQfreeCancel, (PGcancel *cancel), (cancel))
FORWARD_VOID(PQfreemem, (void *memory), (memory))
FORWARD(PGcancel *, PQgetCancel, (PGconn *connection), (connection))
FORWARD(int, PQgetCopyData,
        (PGconn *connection, char **buffer, int async), (connection, buffer, async))
FORWARD(int, PQgetisnull, (const PGresult *result, int row, int field), (result, row, field))
FORWARD(int, PQgetlength, (const PGresult *result, int row, int field), (result, row, field))
FORWARD(PGresult *, PQgetResult, (PGconn *connection), (connection))
FORWARD(char *, PQhost, (const PGconn *connection), (connection))
FORWARD(char *, PQhostaddr, (const PGconn *connection), (connection))
FORWARD(int, PQisBusy, (PGconn *connection), (connection))
FORWARD(char *, PQgetvalue, (const PGresult *result, int row, int field), (result, row, field))
FORWARD(int, PQnfields, (const PGresult *result), (result))
FORWARD(int, PQntuples, (const PGresult *result), (result))
FORWARD(const char *, PQparameterStatus,
        (const PGconn *connection, const char *name), (connection, name))
FORWARD(char *, PQport, (const PGconn *connection), (connection))
FORWARD(int, PQputCopyData,
        (PGconn *connection, const char *bytes, int count), (connection, bytes, count))
FORWARD(int, PQputCopyEnd, (PGconn *connection, const char *error), (connection, error))
FORWARD(char *, PQresultErrorField, (const PGresult *result, int field), (result, field))
FORWARD(char *, PQresultErrorMessage, (const PGresult *result), (result))
FORWARD(ExecStatusType, PQresultStatus, (const PGresult *result), (result))
FORWARD(int, PQsendQuery, (PGconn *connection, const char *query), (connection, query))
FORWARD(int, PQserverVersion, (const PGconn *connection), (connection))
FORWARD(PGVerbosity, PQsetErrorVerbosity,
        (PGconn *connection, PGVerbosity verbosity), (connection, verbosity))
FORWARD(PQnoticeReceiver, PQsetNoticeReceiver,
        (PGconn *connection, PQnoticeReceiver receiver, void *argument),
        (connection, receiver, argument))
FORWARD(int, PQsetSingleRowMode, (PGconn *connection), (connection))
FORWARD(int, PQsocket, (const PGconn *connection), (connection))
FORWARD(int, PQsslInUse, (PGconn *connection), (connection))
FORWARD(ConnStatusType, PQstatus, (const PGconn *connection), (connection))
