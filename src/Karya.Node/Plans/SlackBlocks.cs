using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Karya.Node.Plans;

/// <summary>The message of a Slack action: a JSON array of blocks, as text. Pure.</summary>
internal static class SlackBlocks
{
    /// <summary>Slack takes 50; one is Karya's own.</summary>
    public const int BlocksMax = 49;

    private const int DepthMax = 32;

    /// <summary>What Slack shows in notifications, where blocks are not shown.</summary>
    private const int TextCharsMax = 200;

    private static readonly JsonDocumentOptions Reading = new() { MaxDepth = DepthMax };

    /// <summary>Why Slack cannot take a message; null when it may be able to.</summary>
    public static string? ProblemWith(string message)
    {
        try
        {
            using var document = JsonDocument.Parse(message, Reading);
            var root = document.RootElement;
            if (root.ValueKind != JsonValueKind.Array)
                return "the message is not a JSON array of blocks, such as [{\"type\": \"divider\"}].";
            if (root.GetArrayLength() > BlocksMax)
            {
                return string.Create(
                    CultureInfo.InvariantCulture,
                    $"the message has {root.GetArrayLength()} blocks; at most {BlocksMax} are allowed.");
            }

            int index = 0;
            foreach (var block in root.EnumerateArray())
            {
                bool isBlock = block.ValueKind == JsonValueKind.Object && block.TryGetProperty("type"u8, out var type)
                    && type.ValueKind == JsonValueKind.String && type.GetString()!.Length > 0;
                if (!isBlock)
                {
                    return string.Create(
                        CultureInfo.InvariantCulture,
                        $"block {index} of the message is no object with a \"type\", such as "
                        + $"{{\"type\": \"divider\"}}.");
                }

                index++;
            }

            return null;
        }
        catch (JsonException e)
        {
            return $"the message is not JSON: {e.Message}";
        }
    }

    /// <summary>Valid blocks, and one that says where they come from.</summary>
    public static JsonArray WithFooter(string message, string plan)
    {
        var blocks = (JsonArray)JsonNode.Parse(message, documentOptions: Reading)!;
        blocks.Add(new JsonObject
        {
            ["type"] = "context",
            ["elements"] = new JsonArray(new JsonObject
            {
                ["type"] = "plain_text",
                ["text"] = $"Sent by Karya, plan {plan}",
            }),
        });
        return blocks;
    }

    /// <summary>The first text of valid blocks.</summary>
    public static string TextOf(string message)
    {
        using var document = JsonDocument.Parse(message, Reading);
        foreach (var block in document.RootElement.EnumerateArray())
        {
            if (block.TryGetProperty("text"u8, out var text) && text.ValueKind == JsonValueKind.Object
                && text.TryGetProperty("text"u8, out var words) && words.ValueKind == JsonValueKind.String)
            {
                string all = words.GetString()!;
                return all.Length <= TextCharsMax ? all : string.Concat(all.AsSpan(0, TextCharsMax - 1), "…");
            }
        }

        return "A message of Karya";
    }
}
