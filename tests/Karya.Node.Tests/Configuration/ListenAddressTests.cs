using Karya.Node.Configuration;
using Xunit;

namespace Karya.Node.Tests.Configuration;

public sealed class ListenAddressTests
{
    [Theory]
    [InlineData("127.0.0.1:8080", "127.0.0.1:8080", true)]
    [InlineData("127.8.9.1:0", "127.8.9.1:0", true)]
    [InlineData("[::1]:65535", "[::1]:65535", true)]
    [InlineData("[0:0:0:0:0:0:0:1]:1", "[::1]:1", true)]
    [InlineData("LocalHost:80", "localhost:80", true)]
    [InlineData("*:80", "*:80", false)]
    [InlineData("0.0.0.0:80", "*:80", false)]
    [InlineData("[::]:80", "*:80", false)]
    [InlineData("192.168.1.2:80", "192.168.1.2:80", false)]
    public void An_address_reads_back_in_its_plain_form(string text, string expected, bool isLoopback)
    {
        Assert.True(ListenAddress.TryParse(text, out var address));
        Assert.Equal(expected, address.ToString());
        Assert.Equal(isLoopback, address.IsLoopback);
    }

    [Theory]
    [InlineData("")]
    [InlineData("8080")]
    [InlineData(":8080")]
    [InlineData("127.0.0.1")]
    [InlineData("127.0.0.1:")]
    [InlineData("127.0.0.1:65536")]
    [InlineData("127.0.0.1:-1")]
    [InlineData("127.0.0.1:+1")]
    [InlineData("127.1:80")]
    [InlineData("0x7f.0.0.1:80")]
    [InlineData("::1:80")]
    [InlineData("[127.0.0.1]:80")]
    [InlineData("[[::1]]:80")]
    [InlineData("[]:80")]
    [InlineData("example.org:80")]
    [InlineData("http://127.0.0.1:80")]
    [InlineData(" 127.0.0.1:80")]
    public void Anything_else_is_refused(string text) => Assert.False(ListenAddress.TryParse(text, out _));
}
