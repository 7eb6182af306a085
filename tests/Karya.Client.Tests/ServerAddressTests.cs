using System.Net;
using Xunit;

namespace Karya.Client.Tests;

public sealed class ServerAddressTests
{
    [Theory]
    [InlineData("karya://localhost", "karya://localhost:7070")]
    [InlineData("karya://10.0.0.1:1", "karya://10.0.0.1:1")]
    [InlineData("KARYA://Node-1.Example.COM:65535", "karya://node-1.example.com:65535")]
    [InlineData("karya://a,b:7071,c", "karya://a:7070,b:7071,c:7070")]
    [InlineData("karya://[::1]", "karya://[::1]:7070")]
    [InlineData("karya://[FE80::2]:81,a", "karya://[fe80::2]:81,a:7070")]
    public void An_address_prints_in_full_and_parses_again(string text, string full)
    {
        var address = ServerAddress.Parse(text);

        Assert.Equal(full, address.ToString());
        Assert.Equal(address, ServerAddress.Parse(full));
        Assert.Equal(address.GetHashCode(), ServerAddress.Parse(full).GetHashCode());
    }

    [Fact]
    public void Nodes_keep_their_order_and_lose_their_brackets()
    {
        var address = ServerAddress.Parse("karya://b:1,[::1]:2,a");

        Assert.Equal([new DnsEndPoint("b", 1), new DnsEndPoint("::1", 2), new DnsEndPoint("a", 7070)], address.Nodes);
    }

    [Fact]
    public void Addresses_with_nodes_in_another_order_differ() =>
        Assert.NotEqual(ServerAddress.Parse("karya://a,b"), ServerAddress.Parse("karya://b,a"));

    [Theory]
    [InlineData(null, "must start with karya://")]
    [InlineData("", "must start with karya://")]
    [InlineData("http://localhost:7070", "must start with karya://")]
    [InlineData("localhost:7070", "must start with karya://")]
    [InlineData("karya://", "Node 1 of the server address 'karya://' is wrong: it is empty")]
    [InlineData("karya://a,,b", "Node 2 of the server address 'karya://a,,b' is wrong: it is empty")]
    [InlineData("karya://a,", "Node 2 of the server address 'karya://a,' is wrong: it is empty")]
    [InlineData("karya://a/", "'a/' has a path or a query")]
    [InlineData("karya://a:1?x=y", "'a:1?x=y' has a path or a query")]
    [InlineData("karya://me:secret@a", "credentials do not belong into an address")]
    [InlineData("karya://a b", "'a b' is no host name")]
    [InlineData("karya://a, b", "' b' is no host name")]
    [InlineData("karya://:7070", "'' is no host name")]
    [InlineData("karya://a:", "'' is no port; allowed are 1 to 65535")]
    [InlineData("karya://a:0", "'0' is no port")]
    [InlineData("karya://a:65536", "'65536' is no port")]
    [InlineData("karya://a:99999999999", "'99999999999' is no port")]
    [InlineData("karya://a:+1", "'+1' is no port")]
    [InlineData("karya://::1", "stands in brackets")]
    [InlineData("karya://a:1:2", "stands in brackets")]
    [InlineData("karya://[a:1]", "stands in brackets")]
    [InlineData("karya://[::1", "does not end as in [::1]")]
    [InlineData("karya://[", "does not end as in [::1]")]
    [InlineData("karya://[]", "is no host name")]
    [InlineData("karya://[::1]7070", "does not end as in [::1]")]
    public void What_is_wrong_is_named(string? text, string expected)
    {
        Assert.False(ServerAddress.TryParse(text, out var address, out string? error));
        Assert.Null(address);
        Assert.Contains(expected, error, StringComparison.Ordinal);
    }

    [Fact]
    public void Parse_throws_with_the_same_message()
    {
        Assert.False(ServerAddress.TryParse("karya://a:0", out _, out string? error));
        Assert.Equal(error, Assert.Throws<FormatException>(() => ServerAddress.Parse("karya://a:0")).Message);
    }

    [Fact]
    public void A_65th_node_is_refused()
    {
        string most = "karya://" + string.Join(',', Enumerable.Repeat("a", ServerAddress.NodesMax));

        Assert.Equal(ServerAddress.NodesMax, ServerAddress.Parse(most).Nodes.Count);
        Assert.False(ServerAddress.TryParse(most + ",a", out _, out string? error));
        Assert.Equal("The server address names 65 nodes, allowed are 64.", error);
    }
}
