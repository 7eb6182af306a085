using Karya.Node.Http;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Karya.Node.Tests.Http;

public sealed class OriginPolicyTests
{
    [Theory]
    [InlineData("http://10.1.2.3:8080", "10.1.2.3:8080", true)]
    [InlineData("https://karya.internal:8080", "karya.internal:8080", true)]
    [InlineData("http://10.1.2.3:9090", "10.1.2.3:8080", false)]
    [InlineData("http://rebound.example:8080", "rebound.example:8080", false)]
    public void A_public_node_trusts_pages_that_it_served_itself_under_a_name_it_knows(
        string origin, string host, bool served)
    {
        var options = new HttpOptions { Endpoints = [new("*", 8080), new("karya.internal", 8080)] };
        var policy = new OriginPolicy(options, loopbackOnly: false);
        var request = new DefaultHttpContext().Request;
        request.Method = "POST";
        request.Host = new HostString(host);
        request.Headers.Origin = origin;

        Assert.Equal(served, policy.Judge(request, ours: true).Served);
    }
}
