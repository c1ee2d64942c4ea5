"""A statement that asks a model and is cancelled meanwhile."""

import threading

import psycopg

from support.wait import eventually


def cancelled(connection, stub, statement: str, meanwhile=lambda: None) -> psycopg.Error:
    """Runs a statement until it waits for the model, does what is to be done meanwhile, and cancels it. Returns its error."""
    error = []

    def ask():
        try:
            connection.execute(statement)
        except psycopg.Error as raised:
            error.append(raised)

    with stub.held():
        asking = threading.Thread(target=ask)
        asking.start()
        eventually(lambda: stub.waiting, what="the model to be asked")
        meanwhile()
        connection.cancel()
        asking.join()
    return error[0]
