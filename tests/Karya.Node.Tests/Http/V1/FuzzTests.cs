using System.Text;
using Xunit;

namespace Karya.Node.Tests.Http.V1;

public sealed class FuzzTests
{
    private const int Seed = 20_261_123;
    private const int Rounds = 4000;

    private static readonly string[] Pieces =
    [
        "null", "{}", "[]", "\"\"", "-1", "1e9", "\\ud800", "\\u0000", "\"type\"", ":", ",", "}", "{", "]", "[", "\"",
        "9223372036854775808", "true", "\"PT0S\"", "\"P1M\"", "\u00ff", "\"hooks\":[{}]", "999999999999999999999999",
        Requests.Chained("{}"), Requests.Rest,
    ];

    [Fact]
    public async Task Mutated_requests_are_served_or_refused_but_never_a_fault()
    {
        var desk = new FakeDesk();
        await using var host = await ApiHost.StartAsync(desk);
        var random = new Random(Seed);
        byte[][] templates =
        [
            Encoding.UTF8.GetBytes(Requests.NightlyPing),
            Encoding.UTF8.GetBytes(Requests.WithAction(Requests.Chained(Requests.NightlyPing))),
            Encoding.UTF8.GetBytes(
                """{"plan_id":"0d4f9f0c-3f3e-4f7a-8a9c-6f2f6d0b7c11","period_time":"PT1M","hooks":[]}"""),
        ];

        int served = 0;
        int refused = 0;
        for (int round = 0; round < Rounds; round++)
        {
            int kind = random.Next(templates.Length);
            byte[] body = Mutate(templates[kind], random);
            var method = kind == 2 ? HttpMethod.Patch : HttpMethod.Post;
            int before = desk.Calls;

            var reply = await host.SendAsync(method, "/v1/plan", body, "application/json");

            bool expected = reply.Status is 200 or 400 or 404;
            string sent = Encoding.UTF8.GetString(body);
            Assert.True(expected, $"seed {Seed}, round {round}: {reply.Status} {reply.Text} for {sent}");
            Assert.Equal(reply.Status == 400 ? before : before + 1, desk.Calls);
            Assert.NotEqual("", reply.Text);
            served += reply.Status == 400 ? 0 : 1;
            refused += reply.Status == 400 ? 1 : 0;
        }

        // Both ways must have been taken, or the mutations prove nothing.
        Assert.True(served > Rounds / 50, $"Only {served} of {Rounds} were served.");
        Assert.True(refused > Rounds / 2, $"Only {refused} of {Rounds} were refused.");
    }

    private static byte[] Mutate(byte[] template, Random random)
    {
        var body = new List<byte>(template);
        for (int change = random.Next(1, 4); change > 0; change--)
        {
            int at = random.Next(body.Count);
            int length = Math.Min(random.Next(1, 12), body.Count - at);
            switch (random.Next(5))
            {
                case 0:
                    body[at] = (byte)random.Next(256);
                    break;
                case 1:
                    body.RemoveRange(at, Math.Min(length, body.Count - 1));
                    break;
                case 2:
                    body.InsertRange(at, Encoding.UTF8.GetBytes(Pieces[random.Next(Pieces.Length)]));
                    break;
                case 3:
                    body.InsertRange(at, body.GetRange(random.Next(body.Count - length + 1), length));
                    break;
                default:
                    body.RemoveRange(at, body.Count - at);
                    body.Add((byte)'}');
                    break;
            }
        }

        return [.. body];
    }
}
