using Karya.Node.Configuration;
using Xunit;

namespace Karya.Node.Tests.Configuration;

public sealed class ClusterOptionsTests
{
    [Theory]
    [InlineData(null, "listened", 7)]
    [InlineData("node-1", "node-1", 7)]
    [InlineData("node-1:9000", "node-1", 9000)]
    [InlineData("10.0.0.1:9000", "10.0.0.1", 9000)]
    [InlineData("fe80::1", "fe80::1", 7)]
    [InlineData("node-1:0", "node-1:0", 7)]
    [InlineData("node-1:70000", "node-1:70000", 7)]
    public void A_node_is_reached_where_it_says(string? advertise, string host, int port) =>
        Assert.Equal((host, port), new ClusterOptions { Advertise = advertise }.Advertised("listened", 7));
}
