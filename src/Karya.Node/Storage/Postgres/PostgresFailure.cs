using System.Net.Sockets;
using Npgsql;

namespace Karya.Node.Storage.Postgres;

/// <summary>What an exception of the driver says of the transaction that it ended.</summary>
internal static class PostgresFailure
{
    /// <summary>Our own codes, raised by the functions of the schema.</summary>
    public const string StaleEpoch = "KF001";

    public const string ForeignStream = "KF003";

    public const string WrittenBefore = "KF004";

    /// <summary>The driver's way of saying that the database or the way to it failed.</summary>
    public static bool IsOne(Exception exception) =>
        exception is NpgsqlException or SocketException or TimeoutException or IOException;

    /// <summary>
    /// The server has refused a statement and goes on: its transaction is surely undone. All else (the connection
    /// broke, no answer came, the server ended the session) leaves open whether a commit was done before.
    /// </summary>
    public static bool IsSurelyUndone(Exception exception) =>
        exception is PostgresException { InvariantSeverity: "ERROR" };

    public static bool Is(Exception exception, string code) =>
        exception is PostgresException postgres && postgres.SqlState == code;

    /// <summary>One line for the operator.</summary>
    public static string Describe(Exception exception) => exception switch
    {
        PostgresException { SqlState: PostgresErrorCodes.DiskFull } full =>
            $"The database's disk is full ({full.MessageText}).",
        PostgresException { SqlState: PostgresErrorCodes.TooManyConnections } =>
            "The database takes no more connections (max_connections).",
        PostgresException postgres => $"{postgres.MessageText} ({postgres.SqlState})",
        { InnerException: TimeoutException } => "The database did not answer in time.",
        { InnerException: { } inner } => $"{exception.Message} {inner.Message}",
        _ => exception.Message,
    };
}
