namespace Karya.LocalServers;

/// <summary>How <see cref="PostgresServer.Stop"/> ends the server.</summary>
public enum PostgresStop
{
    /// <summary>Ends open connections, rolls back, writes a checkpoint: SIGINT.</summary>
    Fast,

    /// <summary>Ends at once, as after a crash; the next start recovers from the log: SIGQUIT.</summary>
    Immediate,
}
