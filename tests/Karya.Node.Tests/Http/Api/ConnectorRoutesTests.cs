using Xunit;

namespace Karya.Node.Tests.Http.Api;

public sealed class ConnectorRoutesTests
{
    [Fact]
    public async Task Connectors_are_listed()
    {
        await using var host = await ApiHost.StartAsync(new FakeDesk());

        var reply = await host.GetAsync("/api/connectors");

        Assert.Equal(200, reply.Status);
        Assert.Equal(
            """{"items":[{"name":"rest","state":"configured","target":null,"trouble":null},"""
            + """{"name":"email","state":"configured","target":"mail:587","trouble":null}]}""",
            reply.Text);
    }

    [Fact]
    public async Task A_connector_that_is_tried_out_and_does_not_work_is_an_answer_like_others()
    {
        await using var host = await ApiHost.StartAsync(new FakeDesk());

        var reply = await host.PostAsync("/api/connectors/email/test", "");

        Assert.Equal(200, reply.Status);
        Assert.Equal(
            """{"name":"email","state":"failing","target":"mail:587","trouble":"It refused the connection."}""",
            reply.Text);
    }

    [Fact]
    public async Task A_connector_that_is_not_there_is_refused_by_name()
    {
        await using var host = await ApiHost.StartAsync(new FakeDesk());

        var reply = await host.PostAsync("/api/connectors/fax/test", "");

        Assert.Equal(400, reply.Status);
        Assert.Contains("There is no connector named fax.", reply.Text, StringComparison.Ordinal);
    }
}
