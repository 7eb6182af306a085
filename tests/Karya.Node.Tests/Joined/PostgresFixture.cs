using Karya.LocalServers;

namespace Karya.Node.Tests.Joined;

/// <summary>A Postgres that the tests of one class may break, one after the other.</summary>
public sealed class PostgresFixture : IDisposable
{
    /// <summary>Few, so that another client can take them all in no time.</summary>
    public const int ConnectionsMax = 25;

    public PostgresServer Server { get; } = PostgresServer.Start(("max_connections", ConnectionsMax.ToString()));

    public void Dispose() => Server.Dispose();
}
