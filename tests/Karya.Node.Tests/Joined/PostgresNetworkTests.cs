using Karya.LocalServers;
using Xunit;

namespace Karya.Node.Tests.Joined;

/// <summary>A whole node under load, and a network that breaks its connections at any byte.</summary>
[Trait("Needs", "process")]
public sealed class PostgresNetworkTests(ITestOutputHelper output)
{
    private const int Cuts = 40;

    private static readonly TimeSpan ResumedMax = TimeSpan.FromSeconds(4);

    [Fact]
    public async Task Connections_that_break_at_random_lose_and_repeat_nothing()
    {
        int seed = Environment.TickCount;
        output.WriteLine($"seed {seed}");
        var random = new Random(seed);
        await using var test = await FaultTest.StartAsync(PostgresServer.Shared, output, throughProxy: true);
        var proxy = test.Rig.Proxy;
        for (int cut = 0; cut < Cuts; cut++)
        {
            int bytes = random.Next(1, 3000);
            if (random.Next(2) == 0)
                proxy.CutAfterClientBytes(bytes);
            else
                proxy.CutAfterServerBytes(bytes);
            if (random.Next(5) == 0)
                proxy.RefuseNew();
            await Task.Delay(random.Next(5, 150), NodeRig.Stopping); // Any moment will do.
            proxy.ReleaseAll();
        }

        await test.ResumesAsync(ResumedMax);
    }
}
