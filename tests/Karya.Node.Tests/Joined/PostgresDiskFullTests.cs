using Xunit;

namespace Karya.Node.Tests.Joined;

/// <summary>A whole node under load, and the disk of its Postgres runs full.</summary>
[Trait("Needs", "process")]
public sealed class PostgresDiskFullTests(SmallDisk disk, ITestOutputHelper output) : IClassFixture<SmallDisk>
{
    private static readonly TimeSpan ResumedMax = TimeSpan.FromSeconds(4);

    [Fact]
    public async Task A_disk_that_is_full_stops_intake_until_there_is_room_again()
    {
        await using var test = await FaultTest.StartAsync(disk.Server, output, connection: disk.ConnectionString);
        disk.Fill();
        await test.IsUnreadyAsync("The journal cannot be written: The database's disk is full");
        disk.MakeRoom();
        await test.ResumesAsync(ResumedMax);
    }
}
